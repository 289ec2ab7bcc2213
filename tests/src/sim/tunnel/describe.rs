//! How a trace tells what crosses a boundary.
#![allow(clippy::wildcard_enum_match_arm, reason = "a trace shows what is new as it is")]

use bytes::Bytes;
use pierhead_agent::core as agent;
use pierhead_engine::io as engine;
use pierhead_wire::tunnel::{Frame, Frames, StreamId};

use crate::sim::ground::short;

fn name(stream: StreamId) -> String {
    format!("{}.{}", stream.link, stream.index)
}

fn frame(frame: &Frame) -> String {
    let kind = frame.kind();
    match frame {
        Frame::Hello(f) => {
            format!("hello {} replaces {:?} parked {}", f.link, f.replaces, f.parked.0)
        }
        Frame::Welcome(f) => format!("welcome {} {:x}", f.epoch, f.object_life),
        Frame::Wake(f) => format!("wake {} {} {:x}", f.number, f.epoch, f.object_life),
        Frame::GoAway(f) => format!("go-away {:?} {:?}", f.reason, f.advice),
        Frame::Data(f) => format!("data {} {}", name(f.stream), short(&f.bytes.0)),
        Frame::Adopt(f) => format!(
            "adopt {} {}/{} {}",
            name(f.stream),
            f.counters.sent,
            f.counters.received,
            short(&f.bytes.0)
        ),
        Frame::Offer(f) => {
            let items: Vec<String> = f
                .streams
                .iter()
                .map(|s| format!("{} {}/{}", name(s.stream), s.counters.sent, s.counters.received))
                .collect();
            format!("offer for {}: {}", f.number, items.join(", "))
        }
        Frame::Park(f) => {
            format!("park {} {}/{}", name(f.stream), f.counters.sent, f.counters.received)
        }
        Frame::Gone(f) => {
            format!("gone {} {:?} nothing {}", name(f.stream), f.reason, f.nothing_delivered)
        }
        Frame::Refused(f) => format!("refused {} {:?}", name(f.stream), f.reason),
        Frame::Reset(f) => format!("reset {} {:?}", name(f.stream), f.reason),
        Frame::Open(f) => format!("open {}", name(f.stream)),
        Frame::Opened(f) => format!("opened {}", name(f.stream)),
        Frame::Finish(f) => format!("finish {}", name(f.stream)),
        Frame::Release(f) => format!("release {}", name(f.stream)),
        Frame::Describe(f) => format!("describe {}", name(f.stream)),
        Frame::Credit(f) => format!("credit {} {}", name(f.stream), f.bytes.0),
        Frame::LinkCredit(f) => format!("link-credit {}", f.bytes.0),
        Frame::Cancel(f) => format!("cancel {} {}", name(f.stream), f.request),
        Frame::Cancelled(f) => format!("cancelled {} {} {}", name(f.stream), f.request, f.proved),
        _ => format!("{kind} …"),
    }
}

fn message(bytes: &Bytes) -> String {
    match Frames::new(bytes.clone()) {
        Ok(frames) => {
            let all: Vec<String> = frames
                .map(|f| f.map_or_else(|error| format!("{error:?}"), |f| frame(&f)))
                .collect();
            all.join(" · ")
        }
        Err(error) => format!("{error:?}"),
    }
}

/// One line.
pub(super) fn object_input(input: &engine::Input) -> String {
    match input {
        engine::Input::ClientOpened { client, request, .. } => {
            format!("{client} opened, {}", short(request.get(23..).unwrap_or_default()))
        }
        engine::Input::StreamData { stream, bytes } => format!("{stream} data {}", short(bytes)),
        engine::Input::LinkMessage { link, message: Some(bytes) } => {
            format!("{link}: {}", message(bytes))
        }
        other => format!("{other:?}"),
    }
}

/// One line.
pub(super) fn object_output(output: &engine::Output) -> String {
    match output {
        engine::Output::Write { stream, bytes } => {
            format!("{stream} write {}", short(&bytes.concat()))
        }
        engine::Output::Answer { client, bytes }
        | engine::Output::BeginAnswer { client, bytes } => {
            format!("{client} answer {}", short(&bytes.concat()))
        }
        engine::Output::WriteAnswer { client, bytes, end } => {
            format!("{client} answer goes on (end {end}) {}", short(&bytes.concat()))
        }
        engine::Output::SendLink { link, message: pieces } => {
            format!("{link}: {}", message(&pieces.concat().into()))
        }
        engine::Output::Attach { link, attachment } => {
            format!("{link} attach {} bytes", attachment.len())
        }
        engine::Output::Log(event) => {
            format!("log {:?} {:?} {}", event.session, event.client, event.text)
        }
        other => format!("{other:?}"),
    }
}

/// One line.
pub(super) fn agent_input(input: &agent::Input) -> String {
    match input {
        agent::Input::LinkMessage { link, message: Some(bytes) } => {
            format!("{link:?}: {}", message(bytes))
        }
        agent::Input::Received { conn, bytes } => format!("{conn:?} received {}", short(bytes)),
        other => format!("{other:?}"),
    }
}

/// One line.
pub(super) fn agent_output(output: &agent::Output) -> String {
    match output {
        agent::Output::Send { link, message: pieces } => {
            format!("{link:?}: {}", message(&pieces.concat().into()))
        }
        agent::Output::Write { conn, bytes } => {
            format!("{conn:?} write {}", short(&bytes.concat()))
        }
        agent::Output::Log(event) => format!("log {:?} {}", event.link, event.text),
        other => format!("{other:?}"),
    }
}
