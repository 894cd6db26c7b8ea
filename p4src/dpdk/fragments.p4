// Fragments follow the first of their packet, which alone has ports. Part of the
// main control, whose actions and registers it needs.

// SWX has 16 packets under way at once, each of which does one look-up in turn.
// A fragment that comes right behind the first one waits for it by asking as
// often as the first packet of a flow looks something up, or nearly so: each
// time is one more of the 85 pieces of code that DPDK 22.11 lets a compiled
// program have.
#define ASK_AGAIN    if (!follows) { fragments.apply(); }
#define ASK_AGAIN_6  ASK_AGAIN ASK_AGAIN ASK_AGAIN ASK_AGAIN ASK_AGAIN ASK_AGAIN
#define ASK_AGAIN_18 ASK_AGAIN_6 ASK_AGAIN_6 ASK_AGAIN_6

    bool first;            // the first fragment of a packet
    bool follows;          // a later one, and the first one has gone on
    bool orphaned;         // a later one, and the first one is not known

    action use_fragment() {
        hdr.fragment.src_ip = hdr.ipv4.src_addr;
        hdr.fragment.dst_ip = hdr.ipv4.dst_addr;
        hdr.fragment.protocol = hdr.ipv4.protocol;
        hdr.fragment.identification = hdr.ipv4.identification;
    }

    // Where the first one went, and what became of its addresses.
    action follow_first(bit<32> epoch, bit<16> out_port, bit<16> src_ip_high, bit<48> dst_mac,
                        bit<32> dst_ip, bit<16> src_ip_low) {
        if (meta.ct_op == CT_LOOKUP && epoch == meta.epoch) {
            follows = true;
            meta.out_port = (bit<32>) out_port;
            meta.to_src_ip = ((bit<32>) src_ip_high << 16) | (bit<32>) src_ip_low;
            ip_sum.clear();
            ip_sum.subtract(hdr.ipv4.header_checksum);
            ip_sum.subtract(hdr.ipv4.src_addr);
            ip_sum.subtract(hdr.ipv4.dst_addr);
            hdr.ipv4.src_addr = meta.to_src_ip;
            hdr.ipv4.dst_addr = dst_ip;
            ip_sum.add(hdr.ipv4.src_addr);
            ip_sum.add(hdr.ipv4.dst_addr);
            hdr.ipv4.header_checksum = ip_sum.get();
            if (dst_mac != TO_HOST) {
                hdr.ethernet.src_mac = src_macs.read(meta.out_port);
                hdr.ethernet.dst_mac = dst_mac;
                decrement_ttl();
            }
        } else {
            meta.swx_forget = 1;
        }
    }

    action no_first() {
        if (meta.ct_op == CT_LEARN) {
            add_entry(action_name = "follow_first",
                      action_params = (follow_first_params_t) {
                          epoch = meta.epoch,
                          out_port = (bit<16>) meta.out_port,
                          src_ip_high = (bit<16>) (meta.to_src_ip >> 16),
                          dst_mac = meta.out_mac,
                          dst_ip = meta.to_dst_ip,
                          src_ip_low = (bit<16>) meta.to_src_ip
                      },
                      expire_time_profile_id = EXPIRE_FRAGMENTS);
        }
    }

    // An entry lives for so long from when the first fragment came.
    @swx_timeouts("5")
    table fragments {
        key = {
            hdr.fragment.src_ip         : exact @name("src_ip");
            hdr.fragment.dst_ip         : exact @name("dst_ip");
            hdr.fragment.protocol       : exact @name("protocol");
            hdr.fragment.identification : exact @name("identification");
        }
        actions = {
            @tableonly   follow_first;
            @defaultonly no_first;
        }
        const default_action = no_first;
        add_on_miss = true;
        idle_timeout_with_auto_delete = true;
        size = 65536;
    }
