//! One input, full drain, then sleep: everything the engine says is done by the host, one to one.

use pierhead_engine::io::{Event, Input, Level, Output};
use pierhead_engine::time::Instant;
use pierhead_engine::{Engine, Status};

use crate::config::Dial;
use crate::host::Host;
use crate::wake::{Arm, Wake};

/// The engine of one database with the host that acts for it.
pub(crate) struct Driver<H> {
    host: H,
    dial: Dial,
    engine: Engine,
    now: Instant,
    wake: Wake,
    /// Events below this level are dropped.
    level: Level,
}

impl<H: Host> Driver<H> {
    pub(crate) fn new(
        host: H,
        level: Level,
        dial: Dial,
        engine: impl FnOnce(Instant) -> Engine,
    ) -> Self {
        let now = Instant(host.epoch_ms());
        Self { engine: engine(now), host, dial, now, wake: Wake::default(), level }
    }

    /// Tells the engine what happened and does what it says.
    pub(crate) fn feed(&mut self, input: Input) {
        let now = self.advance();
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            self.perform(output);
        }
        self.arm();
    }

    /// The timer fired.
    pub(crate) fn timer_fired(&mut self) {
        self.wake.timer_fired();
        self.feed(Input::TimePassed);
    }

    /// The alarm fired.
    pub(crate) fn alarm_fired(&mut self) {
        self.wake.alarm_fired();
        self.feed(Input::TimePassed);
    }

    pub(crate) fn status(&self) -> Status {
        self.engine.status()
    }

    /// The platform's clock may be set back; the engine's may not.
    fn advance(&mut self) -> Instant {
        self.now = self.now.max(Instant(self.host.epoch_ms()));
        self.now
    }

    fn perform(&self, output: Output) {
        let host = &self.host;
        match output {
            Output::OpenStream { stream, .. } => host.open(stream, &self.dial),
            Output::Write { stream, bytes } => host.write(stream, &bytes),
            Output::StartTls { stream } => host.start_tls(stream),
            Output::Grant { stream, bytes } => host.grant(stream, bytes),
            Output::CloseStream { stream } => host.close(stream),
            Output::Answer { client, bytes } => host.answer(client, &bytes),
            Output::BeginAnswer { client, bytes } => host.begin_answer(client, &bytes),
            Output::WriteAnswer { client, bytes, end } => host.write_answer(client, &bytes, end),
            Output::Probe { client } => host.probe(client),
            Output::Log(event) if event.level >= self.level => {
                host.log(event.level, &line(&event));
            }
            // The shell of links lands next.
            Output::SendLink { .. }
            | Output::CloseLink { .. }
            | Output::Attach { .. }
            | Output::RaiseEpoch
            | Output::Log(_) => {}
        }
    }

    fn arm(&mut self) {
        let Arm { timer, alarm } = self.wake.arm(self.engine.poll_timeout());
        if let Some(at) = timer {
            self.host.wake_in(at.since(self.now).0);
        }
        if let Some(at) = alarm {
            self.host.wake_later(at.0);
        }
    }
}

fn line(event: &Event) -> String {
    let mut line = String::new();
    if let Some(session) = event.session {
        line.push_str(&format!("{session}: "));
    }
    if let Some(client) = event.client {
        line.push_str(&format!("{client}: "));
    }
    line + &event.text
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use bytes::Bytes;
    use pierhead_engine::Settings;
    use pierhead_engine::ids::{ClientId, StreamId};
    use pierhead_engine::io::{Refusal, RefusalKind};
    use pierhead_wire::envelope::{Options, Request, RequestId};

    use super::*;
    use crate::config::TcpTls;

    /// A host that writes down what it is told.
    #[derive(Default)]
    struct Diary {
        now: Cell<u64>,
        lines: RefCell<Vec<String>>,
    }

    impl Diary {
        fn note(&self, line: String) {
            self.lines.borrow_mut().push(line);
        }

        fn take(&self) -> Vec<String> {
            self.lines.take()
        }
    }

    impl Host for &Diary {
        fn epoch_ms(&self) -> u64 {
            self.now.get()
        }
        fn open(&self, stream: StreamId, _dial: &Dial) {
            self.note(format!("open {}", stream.0));
        }
        fn write(&self, stream: StreamId, _bytes: &[Bytes]) {
            self.note(format!("write {}", stream.0));
        }
        fn start_tls(&self, stream: StreamId) {
            self.note(format!("start_tls {}", stream.0));
        }
        fn grant(&self, stream: StreamId, _bytes: usize) {
            self.note(format!("grant {}", stream.0));
        }
        fn close(&self, stream: StreamId) {
            self.note(format!("close {}", stream.0));
        }
        fn answer(&self, client: ClientId, _bytes: &[Bytes]) {
            self.note(format!("answer {}", client.0));
        }
        fn begin_answer(&self, client: ClientId, _bytes: &[Bytes]) {
            self.note(format!("begin_answer {}", client.0));
        }
        fn write_answer(&self, client: ClientId, _bytes: &[Bytes], end: bool) {
            self.note(format!("write_answer {} {end}", client.0));
        }
        fn probe(&self, client: ClientId) {
            self.note(format!("probe {}", client.0));
        }
        fn wake_in(&self, ms: u64) {
            self.note(format!("wake_in {ms}"));
        }
        fn wake_later(&self, epoch_ms: u64) {
            self.note(format!("wake_later {epoch_ms}"));
        }
        fn log(&self, _level: Level, _text: &str) {}
    }

    fn driver(diary: &Diary) -> Driver<&Diary> {
        let settings = Settings { user: "u".into(), database: "d".into(), ..Settings::default() };
        let dial = Dial::Tcp { host: "h".into(), port: 5432, tls: TcpTls::Off };
        Driver::new(diary, Level::Info, dial, |now| Engine::new(now, settings, [7; 32]))
    }

    fn request() -> Bytes {
        let protocol = Bytes::from_static(b"Q\0\0\0\x0dselect 1\0");
        let (id, options) = (RequestId([1; 16]), Options::default());
        Request { remaining_ms: 3_000, id, options, protocol }.encode().freeze()
    }

    #[test]
    fn a_request_opens_a_stream_and_arms_a_timer_and_its_failure_waits() {
        let diary = Diary::default();
        diary.now.set(1_000_000);
        let mut driver = driver(&diary);
        driver.feed(Input::ClientOpened { client: ClientId(1), request: request() });
        let lines = diary.take();
        let opened = lines.first().and_then(|line| line.strip_prefix("open ")?.parse().ok());
        let stream = StreamId(opened.unwrap_or_else(|| panic!("no open: {lines:?}")));
        assert!(lines.iter().any(|line| line.starts_with("wake_in ")), "{lines:?}");

        let refusal = Refusal { kind: RefusalKind::Denied, detail: "302".into() };
        driver.feed(Input::StreamRefused { stream, refusal });
        assert!(diary.take().contains(&"answer 1".to_owned()));
    }

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let diary = Diary::default();
        diary.now.set(1_000_000);
        let mut driver = driver(&diary);
        diary.now.set(5);
        driver.feed(Input::TimePassed);
        assert_eq!(driver.now, Instant(1_000_000));
    }
}
