//! No pool at all: every socket has a stream of its own. What clients are told through it is what
//! their private servers say, or this world is wrong.

#![allow(clippy::wildcard_enum_match_arm, reason = "a relay knows few inputs")]

use std::collections::{BTreeMap, VecDeque};

use pierhead_engine::Status;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::{Input, Output};
use pierhead_engine::limits::{CLIENT_WINDOW, READ_WINDOW};
use pierhead_engine::settings::{Settings, Way};
use pierhead_engine::time::{Instant, Timeouts};

use super::machine::Machine;
use super::model::as_the_pool_starts;
use super::plan::{Kind, Plan};
use super::run_machine;
use super::steps::Deed;
use crate::sim::server::auth::Method;

#[derive(Debug, Default)]
struct Relay {
    out: VecDeque<Output>,
    sockets: BTreeMap<ClientId, StreamId>,
    streams: usize,
}

impl Relay {
    fn whose(&self, stream: StreamId) -> Option<ClientId> {
        self.sockets.iter().find(|(_, s)| **s == stream).map(|(client, _)| *client)
    }

    fn push(&mut self, output: Output) {
        if let Output::Write { stream, bytes } = output {
            for queued in &mut self.out {
                if let Output::Write { stream: other, bytes: queued } = queued
                    && *other == stream
                {
                    return queued.extend(bytes);
                }
            }
            return self.out.push_back(Output::Write { stream, bytes });
        }
        self.out.push_back(output);
    }
}

impl Machine for Relay {
    fn handle(&mut self, _: Instant, input: Input) {
        match input {
            Input::SocketOpened { client, .. } => {
                let stream = StreamId(client.0);
                self.sockets.insert(client, stream);
                self.streams += 1;
                self.push(Output::OpenStream { stream, way: Way::Direct });
            }
            Input::StreamOpened { stream } => {
                if let Some(client) = self.whose(stream) {
                    self.push(Output::Grant { stream, bytes: READ_WINDOW });
                    self.push(Output::GrantSocket { client, bytes: CLIENT_WINDOW });
                }
            }
            Input::SocketData { client, bytes } => {
                if let Some(stream) = self.sockets.get(&client).copied() {
                    self.push(Output::GrantSocket { client, bytes: bytes.len() });
                    self.push(Output::Write { stream, bytes: bytes.into() });
                }
            }
            Input::StreamData { stream, bytes } => {
                let bytes = bytes.into();
                if let Some(client) = self.whose(stream) {
                    self.push(Output::WriteSocket { client, bytes });
                }
            }
            Input::ClientTook { client, bytes } => {
                if let Some(stream) = self.sockets.get(&client).copied() {
                    self.push(Output::Grant { stream, bytes });
                }
            }
            Input::StreamClosed { stream, .. } | Input::StreamRefused { stream, .. } => {
                self.streams -= 1;
                if let Some(client) = self.whose(stream) {
                    self.sockets.remove(&client);
                    self.push(Output::CloseSocket { client });
                }
            }
            Input::ClientGone { client } => {
                if let Some(stream) = self.sockets.remove(&client) {
                    self.push(Output::CloseStream { stream });
                }
            }
            other => drop(other),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Timeouts {
        Timeouts { active: None, housekeeping: None }
    }

    fn status(&self) -> Status {
        Status { cap: 1_000, idle: self.streams, ..Status::default() }
    }
}

#[test]
fn clients_with_servers_of_their_own_are_told_what_those_say() {
    let mut broken = Vec::new();
    for seed in 0..2_000 {
        let mut plan = Plan::of(seed);
        plan.quiet = true;
        plan.faults.clear();
        plan.settings = Settings { pool_size: 100, ways: vec![Way::Direct], ..plan.settings };
        plan.settings.idle_in_transaction_timeout.0 = 0;
        plan.settings.client_idle_timeout.0 = 0;
        plan.database.auth = Method::Trust;
        plan.database.max_connections = 100;
        plan.database.tls = false;
        (plan.net.refused, plan.net.hanging) = (0, 0);
        plan.clients.retain(|client| matches!(client.kind, Kind::Socket { .. }));
        for client in &mut plan.clients {
            if let Kind::Socket { steps, .. } = &mut client.kind {
                for step in steps.iter_mut() {
                    if let Deed::Say { what: "starts up", bytes, .. } = &mut step.deed {
                        *bytes = as_the_pool_starts(bytes);
                    }
                }
                // A relay cannot tell a wrong key from a right one, and a server believes all.
                steps.retain(|step| {
                    !matches!(
                        step.deed,
                        Deed::Cancel { right: false } | Deed::Say { what: "misspeaks", .. }
                    )
                });
            }
        }
        plan.clients.truncate(3);
        if let Err(violation) = run_machine(plan, Box::<Relay>::default(), true) {
            if violation.rule == "5 cap" {
                // It has none.
                continue;
            }
            if broken.is_empty() {
                violation.trace.iter().for_each(|line| eprintln!("{line}"));
            }
            broken.push(format!("seed {seed}: {}: {}", violation.rule, violation.detail));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
