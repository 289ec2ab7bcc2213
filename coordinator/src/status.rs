//! The status page: one JSON object of numbers and fixed words.

use std::fmt::Write;

use pierhead_engine::Status;

/// Bytes of a page of wasm memory.
const PAGE_BYTES: usize = 65_536;

/// `,"name":value` for each field of a struct.
macro_rules! put_fields {
    ($out:expr, $of:expr, $($field:ident),+ $(,)?) => {
        $(let _ = write!($out, concat!(",\"", stringify!($field), "\":{}"), $of.$field);)+
    };
}

/// `isolate_held` is what the isolate's coordinators hold together, in bytes.
pub(crate) fn running(status: &Status, isolate_held: usize) -> String {
    let mut out = String::from("{\"state\":\"running\"");
    put_fields!(out, status, opening, idle, leased, resetting, draining, ending, parked, away, cap);
    put_fields!(out, status, waiting, clients, sockets, leases, pinned, links, epoch);
    put_fields!(out, status, link_messages_in, link_messages_out);
    put_fields!(out, status, request_bytes, answer_bytes, client_bytes, scram_derivations);
    let totals = &status.counters;
    put_fields!(out, totals, requests, refused, sent, completed, failed, retries, lost);
    put_fields!(out, totals, rolled_back, resets, streamed, readers_behind, callers_gone);
    put_fields!(out, totals, opened, open_failures, ended, orphans, cancels);
    put_fields!(out, totals, drained, parkings, adopted, declined, links_lost);
    put_fields!(out, totals, cancel_requests, pins);
    let _ = write!(out, ",\"sockets_opened\":{}", totals.sockets);
    let _ = write!(out, ",\"isolate_held_bytes\":{isolate_held}");
    let _ = write!(out, ",\"wasm_memory_bytes\":{}}}", wasm_memory_bytes());
    out
}

pub(crate) fn misconfigured(problem: &str) -> String {
    let mut out = String::from("{\"state\":\"misconfigured\",\"problem\":");
    put_string(&mut out, problem);
    let _ = write!(out, ",\"wasm_memory_bytes\":{}}}", wasm_memory_bytes());
    out
}

/// The linear memory, which all objects of the script share and which never shrinks.
fn wasm_memory_bytes() -> usize {
    #[cfg(target_arch = "wasm32")]
    let pages = core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0;
    pages * PAGE_BYTES
}

fn put_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_one_flat_object() {
        let status = Status { idle: 3, cap: 10, ..Status::default() };
        let page = running(&status, 5);
        assert!(page.starts_with("{\"state\":\"running\",\"opening\":0,\"idle\":3,"), "{page}");
        assert!(page.ends_with(",\"isolate_held_bytes\":5,\"wasm_memory_bytes\":0}"), "{page}");
    }

    #[test]
    fn escapes_what_json_must() {
        let page = misconfigured("a \"b\" \\ \n");
        assert!(page.contains("\"problem\":\"a \\\"b\\\" \\\\ \\u000a\""), "{page}");
    }
}
