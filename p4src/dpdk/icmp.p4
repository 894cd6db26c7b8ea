// ICMP errors (RFC 792) belong to the flow of the packet that they quote.

#ifndef K8S_DP_ICMP_P4
#define K8S_DP_ICMP_P4

const bit<8> ICMP_UNREACHABLE       = 3;
const bit<8> ICMP_SOURCE_QUENCH     = 4;
const bit<8> ICMP_TIME_EXCEEDED     = 11;
const bit<8> ICMP_PARAMETER_PROBLEM = 12;

// IPv4 and ICMP header, and 28 bytes of the packet that is quoted.
const bit<16> SHORTEST_ERROR = 56;

// Reads what an ICMP error quotes, and makes its answer's tuple the one to look
// up: it goes where answers go.
control read_quote(
    inout headers_t hdr,
    inout main_metadata_t meta,
    out   bool quotes)
{
    bool is_error;

    action use_quoted_flow() {
        meta.ct_src_ip = hdr.quoted_ipv4.dst_addr;
        meta.ct_src_port = hdr.quoted_ports.dst_port;
        meta.ct_dst_ip = hdr.quoted_ipv4.src_addr;
        meta.ct_proto = hdr.quoted_ipv4.protocol;
        meta.ct_dst_port = hdr.quoted_ports.src_port;
    }

    apply {
        quotes = false;
        is_error = hdr.icmp.type == ICMP_UNREACHABLE;
        if (hdr.icmp.type == ICMP_SOURCE_QUENCH)     { is_error = true; }
        if (hdr.icmp.type == ICMP_TIME_EXCEEDED)     { is_error = true; }
        if (hdr.icmp.type == ICMP_PARAMETER_PROBLEM) { is_error = true; }
        if (is_error && hdr.ipv4.total_len >= SHORTEST_ERROR) {
            meta.swx_extract_error_rest = 1;
            meta.swx_extract_quoted_ipv4 = 1;
            if (hdr.quoted_ipv4.version_ihl == IPV4_NO_OPTIONS &&
                (hdr.quoted_ipv4.flags_frag_offset & FRAGMENT_OFFSET_MASK) == 0) {
                if (hdr.quoted_ipv4.protocol == PROTO_TCP || hdr.quoted_ipv4.protocol == PROTO_SCTP) {
                    meta.swx_extract_quoted_ports = 1;
                    quotes = true;
                    use_quoted_flow();
                } else if (hdr.quoted_ipv4.protocol == PROTO_UDP) {
                    meta.swx_extract_quoted_ports = 1;
                    meta.swx_extract_quoted_udp = 1;
                    quotes = true;
                    use_quoted_flow();
                } else if (hdr.quoted_ipv4.protocol == PROTO_ICMP) {
                    meta.swx_extract_quoted_echo = 1;
                    if (hdr.quoted_echo.type == ICMP_ECHO_REQUEST || hdr.quoted_echo.type == ICMP_ECHO_REPLY) {
                        quotes = true;
                        use_quoted_flow();
                        meta.ct_src_port = hdr.quoted_echo.identifier;
                        meta.ct_dst_port = hdr.quoted_echo.identifier;
                    }
                }
            }
        }
    }
}

// Translates an ICMP error, outside and inside, as the answers of its flow: they
// go to the tuple in to_. As with netfilter it comes from where these come from,
// whoever sent it. The checksum of TCP is not quoted as a rule, and left alone.
control translate_error(
    inout headers_t hdr,
    inout main_metadata_t meta)
{
    InternetChecksum() ip_sum;
    InternetChecksum() icmp_sum;
    InternetChecksum() quoted_ip_sum;
    InternetChecksum() quoted_l4_sum;

    action translate_outside() {
        ip_sum.clear();
        ip_sum.subtract(hdr.ipv4.header_checksum);
        ip_sum.subtract(hdr.ipv4.src_addr);
        ip_sum.subtract(hdr.ipv4.dst_addr);
        if (meta.to_src_ip != meta.ct_src_ip) { hdr.ipv4.src_addr = meta.to_src_ip; }
        hdr.ipv4.dst_addr = meta.to_dst_ip;
        ip_sum.add(hdr.ipv4.src_addr);
        ip_sum.add(hdr.ipv4.dst_addr);
        hdr.ipv4.header_checksum = ip_sum.get();
    }

    // With its checksum, an IPv4 header adds nothing to the sum of the message.
    action translate_quoted_ip() {
        quoted_ip_sum.clear();
        quoted_ip_sum.subtract(hdr.quoted_ipv4.header_checksum);
        quoted_ip_sum.subtract(hdr.quoted_ipv4.src_addr);
        quoted_ip_sum.subtract(hdr.quoted_ipv4.dst_addr);
        quoted_l4_sum.clear();
        quoted_l4_sum.subtract(hdr.quoted_ipv4.src_addr);
        quoted_l4_sum.subtract(hdr.quoted_ipv4.dst_addr);
        hdr.quoted_ipv4.src_addr = meta.to_dst_ip;
        hdr.quoted_ipv4.dst_addr = meta.to_src_ip;
        quoted_l4_sum.add(hdr.quoted_ipv4.src_addr);
        quoted_l4_sum.add(hdr.quoted_ipv4.dst_addr);
        quoted_ip_sum.add(hdr.quoted_ipv4.src_addr);
        quoted_ip_sum.add(hdr.quoted_ipv4.dst_addr);
        hdr.quoted_ipv4.header_checksum = quoted_ip_sum.get();
    }

    action translate_quoted_ports() {
        icmp_sum.subtract(hdr.quoted_ports.src_port);
        icmp_sum.subtract(hdr.quoted_ports.dst_port);
        quoted_l4_sum.subtract(hdr.quoted_ports.src_port);
        quoted_l4_sum.subtract(hdr.quoted_ports.dst_port);
        hdr.quoted_ports.src_port = meta.to_dst_port;
        hdr.quoted_ports.dst_port = meta.to_src_port;
        quoted_l4_sum.add(hdr.quoted_ports.src_port);
        quoted_l4_sum.add(hdr.quoted_ports.dst_port);
        icmp_sum.add(hdr.quoted_ports.src_port);
        icmp_sum.add(hdr.quoted_ports.dst_port);
    }

    action translate_quoted_udp() {
        icmp_sum.subtract(hdr.quoted_udp.checksum);
        quoted_l4_sum.subtract(hdr.quoted_udp.checksum);
        hdr.quoted_udp.checksum = quoted_l4_sum.get();
        icmp_sum.add(hdr.quoted_udp.checksum);
    }

    // Both ports of an echo are its identifier, and the quoted checksum covers
    // neither addresses nor ports: nothing is added to the sum of the message.
    action translate_quoted_echo() {
        quoted_l4_sum.clear();
        quoted_l4_sum.subtract(hdr.quoted_echo.checksum);
        quoted_l4_sum.subtract(hdr.quoted_echo.identifier);
        hdr.quoted_echo.identifier = meta.to_dst_port;
        quoted_l4_sum.add(hdr.quoted_echo.identifier);
        hdr.quoted_echo.checksum = quoted_l4_sum.get();
    }

    apply {
        translate_outside();
        icmp_sum.clear();
        icmp_sum.subtract(hdr.icmp.checksum);
        translate_quoted_ip();
        if (meta.ct_proto == PROTO_ICMP) {
            translate_quoted_echo();
        } else {
            translate_quoted_ports();
        }
        if (meta.ct_proto == PROTO_UDP) {
            if (hdr.quoted_udp.checksum != 0) { translate_quoted_udp(); }
        }
        hdr.icmp.checksum = icmp_sum.get();
    }
}

#endif
