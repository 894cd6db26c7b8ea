// Answers to packets that do not go on: TCP reset, or an ICMP error (RFC 792,
// 1122, 1812). The packet is turned round: it goes back to where it came from,
// and is as long as it was; what the answer does not need is padding.

#ifndef K8S_DP_REJECT_P4
#define K8S_DP_REJECT_P4

const bit<16> TYPE_AND_CODE_NONE             = 0x0000;
const bit<16> TYPE_AND_CODE_HOST_UNREACHABLE = 0x0301;
const bit<16> TYPE_AND_CODE_PORT_UNREACHABLE = 0x0303;
const bit<16> TYPE_AND_CODE_TIME_EXCEEDED    = 0x0b00;

const bit<16> IPV4_BYTES   = 20;
const bit<16> TCP_BYTES    = 20;
const bit<16> ICMP_BYTES   = 8;
const bit<16> ANSWER_BYTES = 28;        // an IPv4 and an ICMP header

const bit<8>  ANSWER_TTL      = 64;
const bit<8>  ICMP_ERROR_DSCP = 0xc0;   // internetwork control, as Linux has it
const bit<16> DONT_FRAGMENT   = 0x4000;

const bit<64> GROUP_MAC = 0x010000000000;
// Multicast, reserved and broadcast addresses are from here on.
const bit<32> FIRST_GROUP_IP    = 0xE0000000;
const bit<32> FIRST_IP          = 0x01000000;
const bit<32> FIRST_LOOPBACK_IP = 0x7F000000;
const bit<32> LAST_LOOPBACK_IP  = 0x7FFFFFFF;

// Turns the packet round if it may be answered, and says whether it was. An ICMP
// error comes from scratch.ip.
control turn_round(
    inout headers_t hdr,
    inout main_metadata_t meta,
    out   bool answered)
{
    InternetChecksum() sum;
    bool to_answer;
    bool to_reset;

    action swap_macs() {
        hdr.ethernet.dst_mac = hdr.scratch.src_mac;
        hdr.ethernet.src_mac = hdr.scratch.dst_mac;
    }

    action swap_addresses() {
        hdr.scratch.ip = hdr.ipv4.src_addr;
        hdr.ipv4.src_addr = hdr.ipv4.dst_addr;
        hdr.ipv4.dst_addr = hdr.scratch.ip;
    }

    // RFC 9293, 3.10.7.1: as if there were no connection.
    action reset() {
        if ((hdr.tcp.flags & TCP_ACK) != 0) {
            hdr.tcp.seq_no = hdr.tcp.ack_no;
            hdr.tcp.ack_no = 0;
            hdr.tcp.flags = TCP_RST;
        } else {
            // All that it takes of the sequence is acknowledged.
            hdr.scratch.word = (bit<16>) (hdr.tcp.data_offset_res >> 4);
            hdr.scratch.word = hdr.ipv4.total_len - IPV4_BYTES - (hdr.scratch.word << 2);
            if ((hdr.tcp.flags & TCP_SYN) != 0) { hdr.scratch.word = hdr.scratch.word + 1; }
            if ((hdr.tcp.flags & TCP_FIN) != 0) { hdr.scratch.word = hdr.scratch.word + 1; }
            hdr.tcp.ack_no = hdr.tcp.seq_no + (bit<32>) hdr.scratch.word;
            hdr.tcp.seq_no = 0;
            hdr.tcp.flags = TCP_RST | TCP_ACK;
        }
        hdr.tcp.data_offset_res = 0x50;
        hdr.tcp.window = 0;
        hdr.tcp.urgent_ptr = 0;
        hdr.ipv4.dscp_ecn = 0;
        hdr.ipv4.total_len = IPV4_BYTES + TCP_BYTES;
        hdr.ipv4.identification = 0;
        hdr.ipv4.flags_frag_offset = DONT_FRAGMENT;
        hdr.ipv4.ttl = ANSWER_TTL;
    }

    action swap_ports() {
        hdr.scratch.word = hdr.ports.src_port;
        hdr.ports.src_port = hdr.ports.dst_port;
        hdr.ports.dst_port = hdr.scratch.word;
    }

    action sum_reset() {
        sum.clear();
        // All of the IPv4 header but the addresses.
        hdr.scratch.word = 0xc52e;
        sum.add(hdr.scratch.word);
        sum.add(hdr.ipv4.src_addr);
        sum.add(hdr.ipv4.dst_addr);
        hdr.ipv4.header_checksum = sum.get();

        sum.clear();
        // Protocol and length of the pseudo header.
        hdr.scratch.word = 26;
        sum.add(hdr.scratch.word);
        sum.add(hdr.ipv4.src_addr);
        sum.add(hdr.ipv4.dst_addr);
        sum.add(hdr.ports.src_port);
        sum.add(hdr.ports.dst_port);
        sum.add(hdr.tcp.seq_no);
        sum.add(hdr.tcp.ack_no);
        hdr.scratch.word = 0x5000 | (bit<16>) hdr.tcp.flags;
        sum.add(hdr.scratch.word);
        hdr.tcp.checksum = sum.get();
    }

    // An ICMP error with type and code in scratch.word: its headers are put before
    // the packet. It quotes the headers of the packet, at least 8 bytes after that of IPv4.
    action begin_error() {
        hdr.answer_ipv4.setValid();
        hdr.answer_ipv4.version_ihl = IPV4_NO_OPTIONS;
        hdr.answer_ipv4.dscp_ecn = ICMP_ERROR_DSCP;
        hdr.answer_ipv4.total_len = ANSWER_BYTES + IPV4_BYTES;
        hdr.answer_ipv4.identification = 0;
        hdr.answer_ipv4.flags_frag_offset = 0;
        hdr.answer_ipv4.ttl = ANSWER_TTL;
        hdr.answer_ipv4.protocol = PROTO_ICMP;
        hdr.answer_ipv4.src_addr = hdr.scratch.ip;
        hdr.answer_ipv4.dst_addr = hdr.ipv4.src_addr;
        hdr.answer_icmp.setValid();
        hdr.answer_icmp.type_and_code = hdr.scratch.word;
        hdr.answer_icmp.unused = 0;
        // The sum of an IPv4 header with a right checksum is 0.
        sum.clear();
        sum.add(hdr.answer_icmp.type_and_code);
    }

    action quote_ports() {
        sum.add(hdr.ports.src_port);
        sum.add(hdr.ports.dst_port);
    }

    action quote_tcp() {
        hdr.answer_ipv4.total_len = hdr.answer_ipv4.total_len + TCP_BYTES;
        sum.add(hdr.tcp.seq_no);
        sum.add(hdr.tcp.ack_no);
        hdr.scratch.word = (bit<16>) hdr.tcp.data_offset_res << 8;
        hdr.scratch.word = hdr.scratch.word | (bit<16>) hdr.tcp.flags;
        sum.add(hdr.scratch.word);
        sum.add(hdr.tcp.window);
        sum.add(hdr.tcp.checksum);
        sum.add(hdr.tcp.urgent_ptr);
    }

    action quote_udp() {
        hdr.answer_ipv4.total_len = hdr.answer_ipv4.total_len + 8;
        sum.add(hdr.udp.length);
        sum.add(hdr.udp.checksum);
    }

    action quote_echo() {
        hdr.answer_ipv4.total_len = hdr.answer_ipv4.total_len + ICMP_BYTES;
        hdr.scratch.word = (bit<16>) hdr.icmp.type << 8;
        hdr.scratch.word = hdr.scratch.word | (bit<16>) hdr.icmp.code;
        sum.add(hdr.scratch.word);
        sum.add(hdr.icmp.checksum);
        sum.add(hdr.echo.identifier);
        sum.add(hdr.echo.sequence);
    }

    action quote_more() {
        hdr.answer_ipv4.total_len = hdr.answer_ipv4.total_len + 8;
        sum.add(hdr.more.first);
        sum.add(hdr.more.second);
    }

    action end_error() {
        hdr.answer_icmp.checksum = sum.get();
        sum.clear();
        // All of the IPv4 header but length and addresses.
        hdr.scratch.word = 0x85c1;
        sum.add(hdr.scratch.word);
        sum.add(hdr.answer_ipv4.total_len);
        sum.add(hdr.answer_ipv4.src_addr);
        sum.add(hdr.answer_ipv4.dst_addr);
        hdr.answer_ipv4.header_checksum = sum.get();
    }

    apply {
        answered = false;
        to_reset = false;
        hdr.scratch.word = TYPE_AND_CODE_NONE;
        if (meta.drop_reason == DROP_NO_ENDPOINT || meta.drop_reason == DROP_UNUSED_PORT) {
            hdr.scratch.word = TYPE_AND_CODE_PORT_UNREACHABLE;
            if (hdr.tcp.isValid()) { to_reset = true; }
        } else if (meta.drop_reason == DROP_TTL) {
            hdr.scratch.word = TYPE_AND_CODE_TIME_EXCEEDED;
        } else if (meta.drop_reason == DROP_UNREACHABLE) {
            hdr.scratch.word = TYPE_AND_CODE_HOST_UNREACHABLE;
        }

        // Never: to or from a group, for later fragments, to what is an error itself.
        // And not to packets with options, whose ports are not known.
        to_answer = hdr.scratch.word != TYPE_AND_CODE_NONE;
        if (to_answer) {
            if (hdr.ipv4.version_ihl != IPV4_NO_OPTIONS) { to_answer = false; }
            if ((hdr.ipv4.flags_frag_offset & FRAGMENT_OFFSET_MASK) != 0) { to_answer = false; }
            if (((bit<64>) hdr.scratch.dst_mac & GROUP_MAC) != 0) { to_answer = false; }
            if (hdr.ipv4.dst_addr >= FIRST_GROUP_IP) { to_answer = false; }
            if (hdr.ipv4.src_addr >= FIRST_GROUP_IP) { to_answer = false; }
            if (hdr.ipv4.src_addr < FIRST_IP) { to_answer = false; }
            if (hdr.ipv4.src_addr >= FIRST_LOOPBACK_IP) {
                if (hdr.ipv4.src_addr <= LAST_LOOPBACK_IP) { to_answer = false; }
            }
            if (hdr.ipv4.protocol == PROTO_ICMP) {
                if (hdr.echo.isValid()) { } else { to_answer = false; }
            }
            if (to_reset) {
                if ((hdr.tcp.flags & TCP_RST) != 0) { to_answer = false; }
            }
        }

        if (to_answer) {
            answered = true;
            swap_macs();
            if (to_reset) {
                reset();
                swap_addresses();
                swap_ports();
                sum_reset();
            } else {
                begin_error();
                if (hdr.tcp.isValid()) {
                    quote_ports();
                    quote_tcp();
                } else if (hdr.udp.isValid()) {
                    quote_ports();
                    quote_udp();
                } else if (hdr.echo.isValid()) {
                    quote_echo();
                } else {
                    meta.swx_extract_more = 1;
                    if (hdr.ports.isValid()) {
                        hdr.answer_ipv4.total_len = hdr.answer_ipv4.total_len + 4;
                        quote_ports();
                    }
                    quote_more();
                }
                end_error();
                // The headers take the place of what is not quoted, if there is enough of it.
                if (hdr.ipv4.total_len >= hdr.answer_ipv4.total_len) {
                    meta.swx_extract_cut = 1;
                }
            }
        }
    }
}

#endif
