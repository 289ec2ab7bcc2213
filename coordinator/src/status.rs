//! The status page: one JSON object of numbers and fixed words, then who uses the pool and for what
//! (`docs/status.md`).

use std::fmt::Write;

use pierhead_engine::Status;
use pierhead_engine::accounts::{ClassAccount, Holder, StatementAccount, Usage, Waiter};

/// Bytes of a page of wasm memory.
const PAGE_BYTES: usize = 65_536;

/// `,"name":value` for each field of a struct.
macro_rules! put_fields {
    ($out:expr, $of:expr, $($field:ident),+ $(,)?) => {
        $(let _ = write!($out, concat!(",\"", stringify!($field), "\":{}"), $of.$field);)+
    };
}

/// `isolate_held` is what the isolate's coordinators hold together, in bytes.
pub(crate) fn running(status: &Status, usage: &Usage<'_>, isolate_held: usize) -> String {
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
    let _ = write!(out, ",\"wasm_memory_bytes\":{}", wasm_memory_bytes());
    put_list(&mut out, "holders", &usage.holders, put_holder);
    put_list(&mut out, "waiters", &usage.waiters, put_waiter);
    put_list(&mut out, "classes", &usage.classes, put_class);
    put_list(&mut out, "statements", &usage.statements, |out, row| put_statement(out, row));
    out.push('}');
    out
}

/// `,"name":[{…},{…}]`.
fn put_list<T>(out: &mut String, name: &str, rows: &[T], put: impl Fn(&mut String, &T)) {
    let _ = write!(out, ",\"{name}\":[");
    for (index, row) in rows.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        put(out, row);
        out.push('}');
    }
    out.push(']');
}

fn put_holder(out: &mut String, holder: &Holder) {
    out.push_str("\"name\":");
    put_string(out, holder.name());
    let _ = write!(out, ",\"held_ms\":{},\"doing\":", holder.held.0);
    put_string(out, holder.doing);
}

fn put_waiter(out: &mut String, waiter: &Waiter) {
    out.push_str("\"name\":");
    put_string(out, waiter.name());
    let _ = write!(out, ",\"waited_ms\":{}", waiter.waited.0);
}

fn put_class(out: &mut String, class: &ClassAccount<'_>) {
    out.push_str("\"name\":");
    put_string(out, class.name);
    let times = class.times;
    let parts = [
        ("wait", &times.wait),
        ("lease", &times.lease),
        ("query", &times.query),
        ("transfer", &times.transfer),
    ];
    for (name, times) in parts {
        let (count, sum, longest) = (times.count(), times.sum(), times.longest().0);
        let p99 = times.quantile(990).map_or(0, |time| time.0);
        let _ = write!(out, ",\"{name}\":{{\"count\":{count},\"total_ms\":{sum},");
        let _ = write!(out, "\"p99_ms\":{p99},\"longest_ms\":{longest}}}");
    }
}

fn put_statement(out: &mut String, row: &StatementAccount) {
    out.push_str("\"text\":");
    put_string(out, row.text());
    let (calls, errors, total, longest) = (row.calls(), row.errors(), row.total(), row.longest().0);
    let _ = write!(out, ",\"calls\":{calls},\"errors\":{errors}");
    let _ = write!(out, ",\"total_ms\":{total},\"longest_ms\":{longest}");
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
    use pierhead_engine::accounts::Times;
    use pierhead_engine::ids::ClientId;
    use pierhead_engine::time::Millis;

    #[test]
    fn begins_with_the_counters() {
        let status = Status { idle: 3, cap: 10, ..Status::default() };
        let page = running(&status, &Usage::default(), 5);
        assert!(page.starts_with("{\"state\":\"running\",\"opening\":0,\"idle\":3,"), "{page}");
        let end = ",\"isolate_held_bytes\":5,\"wasm_memory_bytes\":0,\"holders\":[],\"waiters\":[],\
                   \"classes\":[],\"statements\":[]}";
        assert!(page.ends_with(end), "{page}");
    }

    #[test]
    fn lists_who_uses_the_pool() {
        let times = Times::default();
        let holder = |client, caller: &str| Holder {
            client: ClientId(client),
            class: "cron".into(),
            caller: Some(caller.into()),
            held: Millis(70),
            doing: "running",
        };
        let usage = Usage {
            holders: vec![holder(1, "a\"b"), holder(2, "c")],
            classes: vec![ClassAccount { name: "cron", times: &times }],
            ..Usage::default()
        };
        let page = running(&Status::default(), &usage, 0);
        let holders = r#""holders":[{"name":"a\"b","held_ms":70,"doing":"running"},{"name":"c","#;
        assert!(page.contains(holders), "{page}");
        let class = r#""classes":[{"name":"cron","wait":{"count":0,"total_ms":0,"p99_ms":0,"longest_ms":0}"#;
        assert!(page.contains(class), "{page}");
        let (open, close) = (page.matches(['{', '[']).count(), page.matches(['}', ']']).count());
        assert_eq!(open, close, "{page}");
    }

    #[test]
    fn escapes_what_json_must() {
        let page = misconfigured("a \"b\" \\ \n");
        assert!(page.contains("\"problem\":\"a \\\"b\\\" \\\\ \\u000a\""), "{page}");
    }
}
