import { P4Program } from '@infra-offload/p4info';
import { encodeDeviceConfig, typedProgram } from '@infra-offload/p4rt';
import type { Entity, ForwardingPipelineConfig, Update } from '@infra-offload/p4rt/proto';
import { LocalEngine } from '../dataplane/host/engine/local.js';
import { HostDataplane } from '../dataplane/host/host-dataplane.js';
import { Forwarding } from '../entities/forwarding.js';
import type { Journal } from '../entities/journal.js';
import { readEntity } from '../entities/read.js';
import { SoftswitchError } from '../errors.js';
import { loadConfig } from '../pipeline/config.js';
import { MemoryPorts } from '../ports/memory.js';

/** The entities of a program on an engine without packets. */
export function forwardingOf(config: ForwardingPipelineConfig): Forwarding {
  return Forwarding.begin(loadConfig(new HostDataplane(new MemoryPorts(), new LocalEngine()), config));
}

/** How an update went: `OK`, or the code of its error. */
export function tryUpdate(forwarding: Forwarding, update: Update, journal?: Journal): string {
  try {
    forwarding.update(update, journal);
    return 'OK';
  } catch (error) {
    if (SoftswitchError.is(error)) return error.code;
    throw error;
  }
}

export function readAll(forwarding: Forwarding, request: Entity): Entity[] {
  return [...readEntity(forwarding, request)];
}

export function tryRead(forwarding: Forwarding, request: Entity): string {
  try {
    readAll(forwarding, request);
    return 'OK';
  } catch (error) {
    if (SoftswitchError.is(error)) return error.code;
    throw error;
  }
}

/**
 * A small program that p4c-dpdk could have made: ternary, optional, 9 bit lpm, a selector with 8 slots, a register, two
 * meters for each port (of packets, and of the number that is a frame's type), a learner of the sources and types of frames.
 */
const P4INFO = `
tables { preamble { id: 33554433 name: "c.acl" alias: "acl" }
  match_fields { id: 1 name: "dst" bitwidth: 32 match_type: TERNARY }
  match_fields { id: 2 name: "proto" bitwidth: 8 match_type: OPTIONAL }
  match_fields { id: 3 name: "mac" bitwidth: 48 match_type: TERNARY }
  action_refs { id: 16777217 } action_refs { id: 16777218 scope: DEFAULT_ONLY } action_refs { id: 16777219 scope: TABLE_ONLY }
  direct_resource_ids: 318767105 size: 4 }
tables { preamble { id: 33554434 name: "c.narrow" alias: "narrow" }
  match_fields { id: 1 name: "label" bitwidth: 9 match_type: LPM }
  action_refs { id: 16777217 } size: 16 }
tables { preamble { id: 33554435 name: "c.nexthop" alias: "nexthop" }
  match_fields { id: 1 name: "dst" bitwidth: 32 match_type: EXACT }
  action_refs { id: 16777217 } action_refs { id: 16777218 scope: DEFAULT_ONLY } const_default_action_id: 16777218
  implementation_id: 285212673 size: 16 }
tables { preamble { id: 33554436 name: "c.fixed" alias: "fixed" }
  match_fields { id: 1 name: "dst" bitwidth: 32 match_type: EXACT } action_refs { id: 16777217 } size: 16 is_const_table: true }
tables { preamble { id: 33554437 name: "c.recent" alias: "recent" }
  match_fields { id: 1 name: "source" bitwidth: 48 match_type: EXACT }
  match_fields { id: 2 name: "type" bitwidth: 16 match_type: EXACT }
  action_refs { id: 16777220 scope: TABLE_ONLY } action_refs { id: 16777221 scope: DEFAULT_ONLY } const_default_action_id: 16777221 size: 1024 }
actions { preamble { id: 16777217 name: "c.send" alias: "send" } params { id: 1 name: "port" bitwidth: 32 } params { id: 2 name: "mac" bitwidth: 48 } }
actions { preamble { id: 16777218 name: "NoAction" alias: "NoAction" } }
actions { preamble { id: 16777219 name: "c.mark" alias: "mark" } params { id: 1 name: "value" bitwidth: 8 } }
actions { preamble { id: 16777220 name: "c.seen" alias: "seen" } params { id: 1 name: "port" bitwidth: 32 } }
actions { preamble { id: 16777221 name: "c.unseen" alias: "unseen" } }
action_profiles { preamble { id: 285212673 name: "c.as" alias: "as" } table_ids: 33554435 with_selector: true size: 64 max_group_size: 4 }
counters { preamble { id: 301989889 name: "c.bytes" alias: "bytes" } spec { unit: BYTES } size: 8 }
direct_counters { preamble { id: 318767105 name: "c.acl_counter" alias: "acl_counter" } spec { unit: BOTH } direct_table_id: 33554433 }
registers { preamble { id: 369098753 name: "c.state" alias: "state" } type_spec { bitstring { bit { bitwidth: 16 } } } size: 4 }
meters { preamble { id: 335544321 name: "c.rate" alias: "rate" } spec { unit: PACKETS } size: 4 }
meters { preamble { id: 335544322 name: "c.volume" alias: "volume" } spec { unit: BYTES } size: 4 }
`;

const CONTEXT = {
  tables: [
    { name: 'c.acl', target_name: 'acl', table_type: 'match' },
    { name: 'c.narrow', target_name: 'narrow', table_type: 'match' },
    { name: 'c.nexthop', target_name: 'nexthop', table_type: 'match', action_profile: 'as' },
    { name: 'c.fixed', target_name: 'fixed', table_type: 'match' },
    { name: 'c.recent', target_name: 'recent', table_type: 'match' },
    { name: 'c.as_sel', target_name: 'as_sel', table_type: 'selection' },
    { name: 'c.as', target_name: 'as', table_type: 'action' },
  ],
  externs: [
    { name: 'c.bytes', target_name: 'bytes_0', type: 'Counter' },
    { name: 'c.acl_counter', target_name: 'acl_counter_0', type: 'DirectCounter' },
    { name: 'c.state', target_name: 'state_0', type: 'Register' },
    { name: 'c.rate', target_name: 'rate_0', type: 'Meter' },
    { name: 'c.volume', target_name: 'volume_0', type: 'Meter' },
  ],
};

const SPEC = `
struct ethernet_t {
	bit<48> dst
	bit<48> src
	bit<16> type
}
struct send_arg_t {
	bit<32> port
	bit<48> mac
}
struct mark_arg_t {
	bit<8> value
}
struct seen_arg_t {
	bit<32> port
}
struct nexthop_set_group_id_arg_t {
	bit<32> group_id
}
struct nexthop_set_member_id_arg_t {
	bit<32> member_id
}
header ethernet instanceof ethernet_t
struct metadata_t {
	bit<32> port
	bit<32> out
	bit<32> dst
	bit<8> proto
	bit<16> label
	bit<32> group
	bit<32> member
	bit<48> mac
	bit<48> seen_source
	bit<16> seen_type
	bit<32> seen_port
	bit<32> seen_timeout
	bit<32> color
}
metadata instanceof metadata_t
regarray bytes_0 size 8 initval 0
regarray acl_counter_0_packets size 5 initval 0
regarray acl_counter_0_bytes size 5 initval 0
regarray state_0 size 4 initval 0
metarray rate_0 size 4
metarray volume_0 size 4
action NoAction args none {
	return
}
action send args instanceof send_arg_t {
	mov m.out t.port
	mov h.ethernet.dst t.mac
	return
}
action mark args instanceof mark_arg_t {
	mov m.proto t.value
	return
}
action seen args instanceof seen_arg_t {
	mov m.seen_port t.port
	rearm
	return
}
action unseen args none {
	mov m.seen_port m.port
	mov m.seen_timeout 0x1
	learn seen m.seen_port m.seen_timeout
	return
}
action nexthop_set_group_id args instanceof nexthop_set_group_id_arg_t {
	mov m.group t.group_id
	return
}
action nexthop_set_member_id args instanceof nexthop_set_member_id_arg_t {
	mov m.member t.member_id
	return
}
table acl {
	key {
		m.dst wildcard
		m.proto wildcard
		m.mac wildcard
	}
	actions {
		send
		NoAction
		mark
	}
	default_action NoAction args none
	size 4
}
table narrow {
	key {
		m.label lpm
	}
	actions {
		send
	}
	default_action send args port 0 mac 0
	size 16
}
table nexthop {
	key {
		m.dst exact
	}
	actions {
		nexthop_set_group_id
		nexthop_set_member_id
		NoAction
	}
	default_action NoAction args none const
	size 16
}
table fixed {
	key {
		m.dst exact
	}
	actions {
		send
	}
	default_action send args port 0 mac 0
	size 16
}
table as {
	key {
		m.member exact
	}
	actions {
		send
		NoAction
	}
	default_action NoAction args none
	size 64
}
learner recent {
	key {
		m.seen_source
		m.seen_type
	}
	actions {
		seen @tableonly
		unseen @defaultonly
	}
	default_action unseen args none const
	size 0x400
	timeout {
		60
		120
		}
}
selector as_sel {
	group_id m.group
	selector {
		m.dst
	}
	member_id m.member
	n_groups_max 4
	n_members_per_group_max 8
}
apply {
	rx m.port
	extract h.ethernet
	mov m.seen_source h.ethernet.src
	mov m.seen_type h.ethernet.type
	table recent
	meter rate_0 m.port 0x1 0x0 m.color
	meter volume_0 m.port h.ethernet.type m.color m.color
	table acl
	table narrow
	table nexthop
	table as_sel
	table as
	table fixed
	emit h.ethernet
	tx m.out
}
`;

/** Its configuration; `edit` changes parts of it, to make faulty ones. */
export function smallConfig(
  edit: { p4info?: string; context?: string; spec?: string; entries?: Uint8Array } = {},
): ForwardingPipelineConfig {
  const text = new TextEncoder();
  const context = text.encode(edit.context ?? JSON.stringify(CONTEXT));
  return {
    p4info: P4Program.parse(edit.p4info ?? P4INFO).p4info,
    p4DeviceConfig: encodeDeviceConfig({
      name: 'small',
      bfrtInfo: new Uint8Array(0),
      profiles: [{ name: 'pipe', context, binary: text.encode(edit.spec ?? SPEC) }],
      ...(edit.entries === undefined ? {} : { entries: edit.entries }),
    }),
    cookie: undefined,
  };
}

export const smallArtifacts = { p4info: P4INFO, spec: SPEC, context: JSON.stringify(CONTEXT) };

/** Builders for the small program, by names at run time. */
export const small = typedProgram(P4Program.parse(P4INFO).describe());
