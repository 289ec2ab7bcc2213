//! One input, full drain, then sleep: everything the engine says is done by the host, one to one.

use pierhead_engine::ids::ClientId;
use pierhead_engine::accounts::Usage;
use pierhead_engine::io::{Event, Input, Level, Output};
use pierhead_engine::time::Instant;
use pierhead_engine::{Engine, Status};

use crate::config::Dials;
use crate::host::Host;
use crate::wake::{Arm, Timer, Wake};

/// The engine of one database with the host that acts for it.
pub(crate) struct Driver<H> {
    host: H,
    dials: Dials,
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
        dials: Dials,
        engine: impl FnOnce(Instant) -> Engine,
    ) -> Self {
        let now = Instant(host.epoch_ms());
        Self { engine: engine(now), host, dials, now, wake: Wake::default(), level }
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

    pub(crate) fn client_of(&self, request: [u8; 16]) -> Option<ClientId> {
        self.engine.client_of(request)
    }

    pub(crate) fn status(&self) -> Status {
        self.engine.status()
    }

    pub(crate) fn usage(&self) -> Usage<'_> {
        self.engine.usage()
    }

    /// The platform's clock may be set back; the engine's may not.
    fn advance(&mut self) -> Instant {
        self.now = self.now.max(Instant(self.host.epoch_ms()));
        self.now
    }

    fn perform(&self, output: Output) {
        let host = &self.host;
        match output {
            Output::OpenStream { stream, way } => match self.dials.by(way) {
                Some(dial) => host.open(stream, dial),
                // The engine gives such a session up when its time is over.
                None => host.log(Level::Warn, &format!("bug: {stream} by {way:?}, not dialled")),
            },
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
            Output::SendLink { link, message } => host.send_link(link, &message),
            Output::CloseLink { link, reason } => host.close_link(link, reason),
            Output::Attach { link, attachment } => host.attach(link, &attachment),
            Output::RaiseEpoch => host.raise_epoch(),
            Output::WriteSocket { client, bytes } => host.write_socket(client, &bytes),
            Output::GrantSocket { client, bytes } => host.grant_socket(client, bytes),
            Output::CloseSocket { client } => host.close_socket(client),
            Output::Log(_) => {}
        }
    }

    fn arm(&mut self) {
        let Arm { timer, alarm } = self.wake.arm(self.engine.poll_timeout());
        match timer {
            Timer::Set(at) => self.host.wake_in(Some(at.since(self.now).0)),
            Timer::Cancel => self.host.wake_in(None),
            Timer::Leave => {}
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
    use pierhead_engine::ids::{ClientId, LinkId, StreamId};
    use pierhead_engine::io::{Refusal, RefusalKind};
    use pierhead_engine::{Settings, Way};
    use pierhead_wire::envelope::{Options, Request, RequestId};

    use super::*;
    use crate::config::{Dial, TcpTls};

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
        fn write_socket(&self, client: ClientId, bytes: &[Bytes]) {
            let bytes = bytes.concat();
            self.note(format!("write_socket {}: {}", client.0, String::from_utf8_lossy(&bytes)));
        }
        fn grant_socket(&self, client: ClientId, bytes: usize) {
            self.note(format!("grant_socket {}: {bytes}", client.0));
        }
        fn close_socket(&self, client: ClientId) {
            self.note(format!("close_socket {}", client.0));
        }
        fn send_link(&self, link: LinkId, message: &[Bytes]) {
            let message = message.concat();
            self.note(format!("send_link {}: {}", link.0, String::from_utf8_lossy(&message)));
        }
        fn close_link(&self, link: LinkId, reason: &str) {
            self.note(format!("close_link {}: {reason}", link.0));
        }
        fn attach(&self, link: LinkId, attachment: &Bytes) {
            self.note(format!("attach {}: {}", link.0, String::from_utf8_lossy(attachment)));
        }
        fn raise_epoch(&self) {
            self.note("raise_epoch".to_owned());
        }
        fn wake_in(&self, ms: Option<u64>) {
            self.note(ms.map_or("wake_never".to_owned(), |ms| format!("wake_in {ms}")));
        }
        fn wake_later(&self, epoch_ms: u64) {
            self.note(format!("wake_later {epoch_ms}"));
        }
        fn log(&self, _level: Level, _text: &str) {}
    }

    fn driver(diary: &Diary) -> Driver<&Diary> {
        let ways = vec![Way::Direct];
        let settings =
            Settings { user: "u".into(), database: "d".into(), ways, ..Settings::default() };
        let dial = Dial::Tcp { host: "h".into(), port: 5432, tls: TcpTls::Off };
        let dials = Dials::of([(Way::Direct, dial)]);
        Driver::new(diary, Level::Info, dials, |now| Engine::new(now, settings, [7; 32]))
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
        driver.feed(Input::ClientOpened { client: ClientId(1), request: request(), lease: None });
        let lines = diary.take();
        let opened = lines.first().and_then(|line| line.strip_prefix("open ")?.parse().ok());
        let stream = StreamId(opened.unwrap_or_else(|| panic!("no open: {lines:?}")));
        assert!(lines.iter().any(|line| line.starts_with("wake_in ")), "{lines:?}");

        let refusal = Refusal { kind: RefusalKind::Denied, detail: "302".into() };
        driver.feed(Input::StreamRefused { stream, refusal });
        assert!(diary.take().contains(&"answer 1".to_owned()));
    }

    #[test]
    fn when_nobody_waits_any_more_no_timer_keeps_the_object_awake() {
        let diary = Diary::default();
        let mut driver = driver(&diary);
        let client = ClientId(1);
        driver.feed(Input::ClientOpened { client, request: request(), lease: None });
        driver.feed(Input::ClientGone { client });
        let opened = diary.take().iter().find_map(|line| line.strip_prefix("open ")?.parse().ok());
        let stream = StreamId(opened.unwrap_or_else(|| panic!("no stream")));
        let detail = "gone".to_owned();
        driver.feed(Input::StreamClosed { stream, orderly: false, accepted: 0, detail });
        assert_eq!(driver.engine.poll_timeout().active, None);
        assert!(diary.take().contains(&"wake_never".to_owned()));
    }

    #[test]
    fn a_link_that_speaks_no_frames_is_closed_and_leaves_nothing_pending() {
        let diary = Diary::default();
        let mut driver = driver(&diary);
        let link = LinkId(1);
        driver.feed(Input::LinkOpened { link });
        let lines = diary.take();
        assert!(lines.iter().any(|line| line.starts_with("wake_in ")), "{lines:?}");

        driver.feed(Input::LinkMessage { link, message: None });
        driver.feed(Input::LinkClosed { link, detail: "closed".into() });
        let lines = diary.take();
        assert!(lines.iter().any(|line| line.starts_with("close_link 1: ")), "{lines:?}");
        assert!(lines.contains(&"wake_never".to_owned()), "{lines:?}");
    }

    #[test]
    fn what_the_engine_says_of_links_is_done_one_to_one() {
        let diary = Diary::default();
        let driver = driver(&diary);
        let link = LinkId(7);
        let message = vec![Bytes::from_static(b"wake"), Bytes::from_static(b"list")];
        driver.perform(Output::SendLink { link, message });
        driver.perform(Output::Attach { link, attachment: Bytes::from_static(b"table") });
        driver.perform(Output::CloseLink { link, reason: "replaced" });
        driver.perform(Output::RaiseEpoch);
        let lines = ["send_link 7: wakelist", "attach 7: table", "close_link 7: replaced"];
        assert_eq!(diary.take(), [&lines[..], &["raise_epoch"]].concat());
    }

    #[test]
    fn what_the_engine_says_of_sockets_is_done_one_to_one() {
        let diary = Diary::default();
        let driver = driver(&diary);
        let client = ClientId(5);
        let bytes = [Bytes::from_static(b"R"), Bytes::from_static(b"Z")].into_iter().collect();
        driver.perform(Output::GrantSocket { client, bytes: 7 });
        driver.perform(Output::WriteSocket { client, bytes });
        driver.perform(Output::CloseSocket { client });
        assert_eq!(diary.take(), ["grant_socket 5: 7", "write_socket 5: RZ", "close_socket 5"]);
    }

    #[test]
    fn a_stream_is_dialled_by_the_way_the_engine_names() {
        let diary = Diary::default();
        let driver = driver(&diary);
        driver.perform(Output::OpenStream { stream: StreamId(1), way: Way::Direct });
        driver.perform(Output::OpenStream { stream: StreamId(2), way: Way::Cloudflared });
        assert_eq!(diary.take(), ["open 1"]);
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
