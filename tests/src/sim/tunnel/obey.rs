//! Does what an object says, and checks that it may say it.

use std::collections::BTreeSet;

use bytes::Bytes;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::{Event as LogEvent, Output};
use pierhead_engine::limits::{ANSWER_UNTAKEN_MAX, ANSWER_WHOLE_MAX};
use pierhead_engine::settings::Way;
use pierhead_wire::limits::TUNNEL_MESSAGE_BYTES_MAX;

use super::World;
use super::conn::Owner;
use super::events::Event;
use super::link::{End, Item};
use crate::sim::ground::marks;

/// Bytes that an attachment may have.
const ATTACHMENT_MAX: usize = 16_000;

/// Bytes of a whole answer that are not data: headers, and an outcome with its two texts.
const ENVELOPE_MAX: usize = 4 * 1024;

impl World {
    pub(super) fn obey(&mut self, site: usize, output: Output) {
        let Some(life) = self.sites[site].life() else { return };
        let direct = |stream: StreamId| Owner::Direct { site, life, stream: stream.0 };
        match output {
            Output::OpenStream { stream, way } => {
                if way != Way::Direct || !self.plan.settings.ways.contains(&way) {
                    return self.broken("boundary", format!("{stream} is opened by {way:?}"));
                }
                self.coverage.add("object: opens directly");
                self.connect(direct(stream));
            }
            Output::Write { stream, bytes } => self.obey_write(direct(stream), &bytes.concat()),
            Output::StartTls { stream } => {
                self.broken("boundary", format!("TLS on {stream}, which nobody asked for"));
            }
            Output::Grant { stream, bytes } => self.grant(direct(stream), bytes),
            Output::CloseStream { stream } => self.close(direct(stream)),
            Output::Answer { client, bytes } => self.obey_answer(client, &bytes, false, true),
            Output::BeginAnswer { client, bytes } => self.obey_answer(client, &bytes, true, false),
            Output::WriteAnswer { client, bytes, end } => {
                self.obey_answer(client, &bytes, true, end);
            }
            Output::WriteSocket { .. }
            | Output::GrantSocket { .. }
            | Output::CloseSocket { .. } => {
                self.broken("boundary", "a socket that nobody opened".to_owned());
            }
            Output::Probe { client } => self.obey_probe(client),
            Output::Log(event) => self.check_log(&event),
            Output::SendLink { link, message } => self.obey_send(link.0, &message),
            Output::CloseLink { link, .. } => self.close_by_object(link.0),
            Output::Attach { link, attachment } => self.obey_attach(link.0, attachment),
            Output::RaiseEpoch => {
                let lag = self.rng.pick(&[0, 0, 5, 100, 3_000]);
                self.coverage.add("object: raises the epoch");
                self.after(lag, Event::Stored(site, life));
            }
        }
    }

    fn obey_send(&mut self, id: u64, message: &[Bytes]) {
        let message: Bytes = message.concat().into();
        if message.is_empty() || message.len() > TUNNEL_MESSAGE_BYTES_MAX {
            let detail = format!("a message of {} bytes on link {id}", message.len());
            return self.broken("boundary", detail);
        }
        let open = self.links.get(&id).is_some_and(|l| l.object == End::Open && l.known.is_some());
        if !open {
            return self.broken("2 one life", format!("SendLink names link {id}, which is over"));
        }
        self.object_says(id, &message);
        if let Some(link) = self.links.get_mut(&id) {
            link.down.push(Item::Message(message));
        }
        self.pump_link(id);
    }

    fn obey_attach(&mut self, id: u64, attachment: Bytes) {
        if attachment.len() > ATTACHMENT_MAX {
            let detail = format!("{} bytes for link {id}", attachment.len());
            return self.broken("6 memory", detail);
        }
        let Some(link) = self.links.get_mut(&id).filter(|l| l.object == End::Open) else {
            return self.broken("2 one life", format!("Attach names link {id}, which is over"));
        };
        link.attachment = attachment;
        self.coverage.add("object: attaches");
    }

    fn obey_answer(&mut self, id: ClientId, bytes: &[Bytes], streamed: bool, end: bool) {
        let index = id.0 as usize - 1;
        let Some(guest) = self.guests.get_mut(index).filter(|g| g.caller.is_open()) else {
            return self.broken("2 one life", format!("an answer for {id}, which is finished"));
        };
        let taken = guest.caller.take(bytes, streamed, end);
        let untaken = guest.caller.untaken;
        let (size, begins) = match taken {
            Ok(taken) => taken,
            Err((rule, how)) => return self.broken(rule, format!("{id}: {how}")),
        };
        if !streamed && size > ANSWER_WHOLE_MAX + ENVELOPE_MAX || untaken > ANSWER_UNTAKEN_MAX {
            let detail = format!("{id} is given {size} bytes and owed {untaken}");
            return self.broken("6 memory", detail);
        }
        if begins {
            self.coverage.add("answer: streamed");
        }
        if streamed {
            self.schedule_read(index);
        }
        if end {
            self.judge(index);
        }
    }

    fn obey_probe(&mut self, id: ClientId) {
        let index = id.0 as usize - 1;
        if !self.guests.get(index).is_some_and(|g| g.caller.is_open()) {
            return self.broken("2 one life", format!("a probe of {id}, which is finished"));
        }
        if self.rng.chance(90) || self.guests[index].caller.dead {
            let lag = self.rng.pick(&[0, 10, 200, 700]);
            self.after(lag, Event::Answer(index));
        }
    }

    fn check_log(&mut self, event: &LogEvent) {
        self.coverage.note_log(&event.text);
        if event.text.contains("geheim") || event.text.contains("/*c") {
            self.broken("secrets", format!("the log says {:?}", event.text));
        }
    }

    /// The system took bytes for a backend (`text`, of which `known` bytes were scanned before):
    /// whose requests are in them, and may they be?
    pub(super) fn check_requests(&mut self, id: u64, text: &[u8], known: usize) {
        let found: BTreeSet<u64> =
            marks(text).filter(|mark| mark.end > known).map(|mark| mark.client).collect();
        for client in found {
            self.check_request(id, client);
        }
    }

    fn check_request(&mut self, id: u64, client_id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.holder == Some(client_id) {
            return;
        }
        let before = conn.holder.replace(client_id);
        let (database, poisoned) = (conn.backend.database.clone(), conn.poisoned);
        let Some(guest) = self.guests.get_mut(client_id as usize - 1) else {
            return self.broken("bytes in order", format!("client {client_id} was never invented"));
        };
        if let Some(earlier) = guest.conn.replace(id) {
            let detail = format!("client {client_id} is written to {earlier} and to {id}");
            return self.broken("3 at most once", detail);
        }
        guest.caller.grants += 1;
        if guest.database.as_deref() != Some(&database) {
            let detail = format!(
                "client {client_id} of {:?} is served by a session of {database:?}",
                guest.database
            );
            return self.broken("configuration", detail);
        }
        if poisoned {
            let detail = format!("connection {id} is used on after a reply nobody asked for");
            return self.broken("1 own bytes", detail);
        }
        let Some(before) = before else { return };
        let other = &self.guests[before as usize - 1];
        let unfinished = other.caller.outcome.is_none() && (!other.caller.gone || other.lost);
        if unfinished {
            let detail = format!("connection {id} serves clients {before} and {client_id} at once");
            self.broken("2 one place", detail);
        } else if other.life != self.guests[client_id as usize - 1].life {
            self.coverage.add("session: outlived an object");
        }
    }
}
