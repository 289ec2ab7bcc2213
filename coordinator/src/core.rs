//! What JavaScript calls: synchronous methods, each of which feeds one input.
//!
//! Arguments and results are numbers and JavaScript objects only, never `String` or slices: the
//! glue would copy those into wasm memory before it notices that the instance has trapped and is
//! to be replaced, and so hand the new instance pointers into the old one's memory.

use std::cell::RefCell;

use bytes::Bytes;
use js_sys::{JsString, Object, Reflect, Uint8Array};
use pierhead_config::DatabaseConfig;
use pierhead_engine::ids::{ClientId, LinkId, StreamId};
use pierhead_engine::io::{Input, Level, Refusal, RefusalKind, Terms};
use pierhead_engine::{Engine, Settings};
use pierhead_wire::envelope::Options;
use pierhead_wire::limits::{
    OPTIONS_BYTES_MAX, PROTOCOL_BYTES_MAX, STARTUP_BYTES_MAX, TUNNEL_MESSAGE_BYTES_MAX,
};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::config::{Dials, split};
use crate::driver::Driver;
use crate::host::{Host, Shell};
use crate::{allowance, limits, refuse, status};

/// Bytes of a request envelope. Longer ones are refused before they are copied into wasm memory,
/// which never shrinks.
const REQUEST_BYTES_MAX: u32 = (23 + OPTIONS_BYTES_MAX + PROTOCOL_BYTES_MAX) as u32;

/// Variable that makes the log show every step of every session, if it is `debug`.
const LOG_VARIABLE: &str = "PIERHEAD_LOG";

#[wasm_bindgen(module = "/js/coordinator.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = coordinatorClass)]
    fn coordinator_class(core: &JsValue, parts: &Object) -> JsValue;
}

#[wasm_bindgen(module = "/js/calls.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = callsClass)]
    fn calls_class() -> JsValue;
}

#[wasm_bindgen(module = "/js/sockets.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = socketsClass)]
    fn sockets_class(limits: &Object) -> JsValue;
}

#[wasm_bindgen(module = "/js/links.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = linksClass)]
    fn links_class() -> JsValue;
}

/// One database's coordinator, without the Durable Object around it.
#[wasm_bindgen]
pub struct PierheadCore {
    shell: Shell,
    state: RefCell<State>,
}

enum State {
    Running(Box<Driver<Shell>>),
    /// Every exchange is refused for this reason.
    Misconfigured {
        problem: String,
    },
    /// This core replaces one that was lost in a trap; the shell ends the object. Nothing is done.
    Lost,
}

#[wasm_bindgen]
impl PierheadCore {
    /// The Durable Object class for a Worker's entry to export. Takes this class as the built
    /// module exports it, which is not quite this class: it replaces instances after a trap.
    #[wasm_bindgen(js_name = durableObject)]
    pub fn durable_object(core: &JsValue) -> JsValue {
        let parts = [
            ("Calls", calls_class()),
            ("Links", links_class()),
            ("Sockets", sockets_class(&socket_limits())),
        ];
        coordinator_class(core, &object(parts))
    }

    /// The core of the database `name`, configured by the variables in `env`. `seed` is 32 bytes
    /// of entropy.
    #[wasm_bindgen(constructor)]
    pub fn new(shell: Shell, name: &JsString, env: &Object, seed: &Uint8Array) -> Self {
        let state = if shell.born() {
            State::first(&shell, &String::from(name), env, seed)
        } else {
            State::Lost
        };
        Self { shell, state: RefCell::new(state) }
    }

    /// A caller sent an exchange, of the lease with this number; 0 if of none.
    #[wasm_bindgen(js_name = clientOpened)]
    pub fn client_opened(&self, client: f64, request: &Uint8Array, lease: f64) {
        let client = ClientId(number(client));
        let lease = Some(ClientId(number(lease))).filter(|lease| lease.0 > 0);
        match self.refusal(request.length()) {
            Some(answer) => Host::answer(&self.shell, client, &[answer]),
            None => self.feed(Input::ClientOpened { client, request: bytes(request), lease }),
        }
    }

    /// What is wrong with the options of a lease that is to be opened; an empty string if nothing.
    #[wasm_bindgen(js_name = leaseProblem)]
    pub fn lease_problem(&self, options: &Uint8Array) -> JsString {
        lease_terms(options).err().unwrap_or_default().into()
    }

    /// A caller wants a transaction over several requests.
    #[wasm_bindgen(js_name = leaseOpened)]
    pub fn lease_opened(&self, lease: f64, options: &Uint8Array) {
        let terms = lease_terms(options).unwrap_or_default();
        self.feed(Input::LeaseOpened { lease: ClientId(number(lease)), terms });
    }

    /// A client that speaks the database's protocol came.
    #[wasm_bindgen(js_name = socketOpened)]
    pub fn socket_opened(&self, client: f64) {
        let client = ClientId(number(client));
        if self.problem().is_some() {
            // An error is read by who has said what it wants.
            return Host::grant_socket(&self.shell, client, STARTUP_BYTES_MAX);
        }
        self.feed(Input::SocketOpened { client, terms: Terms::default() });
    }

    /// Bytes of such a client.
    #[wasm_bindgen(js_name = socketData)]
    pub fn socket_data(&self, client: f64, data: &Uint8Array) {
        let client = ClientId(number(client));
        if let Some(problem) = self.problem() {
            Host::write_socket(&self.shell, client, &[refuse::socket(&problem)]);
            return Host::close_socket(&self.shell, client);
        }
        self.feed(Input::SocketData { client, bytes: bytes(data) });
    }

    /// The reader of a streamed answer, or of a socket, took so many bytes.
    #[wasm_bindgen(js_name = clientTook)]
    pub fn client_took(&self, client: f64, bytes: u32) {
        self.feed(Input::ClientTook { client: ClientId(number(client)), bytes: bytes as usize });
    }

    /// The caller is gone.
    #[wasm_bindgen(js_name = clientGone)]
    pub fn client_gone(&self, client: f64) {
        self.feed(Input::ClientGone { client: ClientId(number(client)) });
    }

    /// The caller lives.
    #[wasm_bindgen(js_name = clientAlive)]
    pub fn client_alive(&self, client: f64) {
        self.feed(Input::ClientAlive { client: ClientId(number(client)) });
    }

    /// A second call wants the request with this id ended. Ids of other than 16 bytes name nothing.
    pub fn abort(&self, request_id: &Uint8Array) {
        if let Some(id) = request_name(request_id) {
            self.feed(Input::AbortRequest { id });
        }
    }

    /// The number of the client whose request has this id; 0 if there is none.
    #[wasm_bindgen(js_name = clientOf)]
    pub fn client_of(&self, request_id: &Uint8Array) -> f64 {
        let State::Running(driver) = &*self.state.borrow() else { return 0.0 };
        let client = request_name(request_id).and_then(|id| driver.client_of(id));
        client.map_or(0.0, |client| client.0 as f64)
    }

    /// A stream carries bytes now.
    #[wasm_bindgen(js_name = streamOpened)]
    pub fn stream_opened(&self, stream: f64) {
        self.feed(Input::StreamOpened { stream: StreamId(number(stream)) });
    }

    /// A stream could not be opened; `kind` is `denied`, `unreachable` or anything else.
    #[wasm_bindgen(js_name = streamRefused)]
    pub fn stream_refused(&self, stream: f64, kind: &JsString, detail: &JsString) {
        let kind = match String::from(kind).as_str() {
            "denied" => RefusalKind::Denied,
            "unreachable" => RefusalKind::Unreachable,
            _ => RefusalKind::Failed,
        };
        let refusal = Refusal { kind, detail: detail.into() };
        self.feed(Input::StreamRefused { stream: StreamId(number(stream)), refusal });
    }

    /// TLS is up.
    #[wasm_bindgen(js_name = streamSecured)]
    pub fn stream_secured(&self, stream: f64) {
        self.feed(Input::StreamSecured { stream: StreamId(number(stream)) });
    }

    /// Bytes from the database.
    #[wasm_bindgen(js_name = streamData)]
    pub fn stream_data(&self, stream: f64, data: &Uint8Array) {
        self.feed(Input::StreamData { stream: StreamId(number(stream)), bytes: bytes(data) });
    }

    /// A stream's transport took so many more bytes of what was written.
    #[wasm_bindgen(js_name = streamTook)]
    pub fn stream_took(&self, stream: f64, bytes: u32) {
        let stream = StreamId(number(stream));
        self.feed(Input::StreamTook { stream, bytes: bytes as usize });
    }

    /// A stream has ended, `orderly` if by an end of file with everything sent; `accepted` bytes of
    /// what was written may have been sent.
    #[wasm_bindgen(js_name = streamClosed)]
    pub fn stream_closed(&self, stream: f64, orderly: bool, accepted: f64, detail: &JsString) {
        let stream = StreamId(number(stream));
        let (accepted, detail) = (number(accepted), detail.into());
        self.feed(Input::StreamClosed { stream, orderly, accepted, detail });
    }

    /// An agent dialled in.
    #[wasm_bindgen(js_name = linkOpened)]
    pub fn link_opened(&self, link: f64) {
        let link = LinkId(number(link));
        self.first_of_link(link, || Input::LinkOpened { link });
    }

    /// A link that an earlier life of the object accepted is still there.
    #[wasm_bindgen(js_name = linkRestored)]
    pub fn link_restored(&self, link: f64, attachment: &Uint8Array) {
        let link = LinkId(number(link));
        self.first_of_link(link, || Input::LinkRestored { link, attachment: bytes(attachment) });
    }

    /// A binary message of an agent. One that is too long is not one of the protocol's.
    #[wasm_bindgen(js_name = linkMessage)]
    pub fn link_message(&self, link: f64, message: &Uint8Array) {
        let fits = message.length() as usize <= TUNNEL_MESSAGE_BYTES_MAX;
        let message = fits.then(|| bytes(message));
        self.feed(Input::LinkMessage { link: LinkId(number(link)), message });
    }

    /// A text message of what claims to be an agent.
    #[wasm_bindgen(js_name = linkText)]
    pub fn link_text(&self, link: f64) {
        self.feed(Input::LinkMessage { link: LinkId(number(link)), message: None });
    }

    /// A link is gone.
    #[wasm_bindgen(js_name = linkClosed)]
    pub fn link_closed(&self, link: f64, detail: &JsString) {
        self.feed(Input::LinkClosed { link: LinkId(number(link)), detail: detail.into() });
    }

    /// The new epoch is stored.
    #[wasm_bindgen(js_name = epochRaised)]
    pub fn epoch_raised(&self, epoch: f64) {
        self.feed(Input::EpochRaised { epoch: number(epoch) });
    }

    /// The timer fired.
    #[wasm_bindgen(js_name = timerFired)]
    pub fn timer_fired(&self) {
        self.with_driver(Driver::timer_fired);
    }

    /// The alarm fired.
    #[wasm_bindgen(js_name = alarmFired)]
    pub fn alarm_fired(&self) {
        self.with_driver(Driver::alarm_fired);
    }

    /// Counters, and who uses the pool for what, as JSON without secrets.
    pub fn status(&self) -> JsString {
        match &*self.state.borrow() {
            State::Running(driver) => {
                let held = allowance::of_the_isolate().held();
                status::running(&driver.status(), &driver.usage(), held).into()
            }
            State::Misconfigured { problem } => status::misconfigured(problem).into(),
            State::Lost => "{}".into(),
        }
    }
}

impl PierheadCore {
    /// Why the database cannot be used, if its configuration is wrong.
    fn problem(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Misconfigured { problem } => Some(problem.clone()),
            State::Running(_) | State::Lost => None,
        }
    }

    /// The answer to a request of so many bytes that the engine is not to see.
    fn refusal(&self, bytes: u32) -> Option<Bytes> {
        match &*self.state.borrow() {
            State::Misconfigured { problem } => Some(refuse::misconfigured(problem)),
            State::Running(_) if bytes > REQUEST_BYTES_MAX => Some(refuse::too_large(bytes)),
            State::Running(_) | State::Lost => None,
        }
    }

    /// Feeds a link's first event. A link of a database that is not configured properly ends.
    fn first_of_link(&self, link: LinkId, input: impl FnOnce() -> Input) {
        if matches!(&*self.state.borrow(), State::Misconfigured { .. }) {
            Host::close_link(&self.shell, link, "the coordinator's configuration is unusable");
        }
        self.feed(input());
    }

    fn feed(&self, input: Input) {
        self.with_driver(|driver| driver.feed(input));
    }

    fn with_driver(&self, act: impl FnOnce(&mut Driver<Shell>)) {
        match self.state.try_borrow_mut() {
            Ok(mut state) => {
                if let State::Running(driver) = &mut *state {
                    act(driver);
                }
            }
            // The shell queues what happens during a call, so only a bug leads here.
            Err(_) => Host::log(&self.shell, Level::Warn, "bug: an event within an event was lost"),
        }
    }
}

impl State {
    fn first(shell: &Shell, name: &str, env: &Object, seed: &Uint8Array) -> Self {
        match configure(name, env) {
            Ok((settings, dials, level)) => {
                let seed = seed.to_vec().try_into().unwrap_or([0; 32]);
                let engine = |now| Engine::new(now, settings, seed);
                if level == Level::Debug {
                    Host::log(shell, level, "a life of this object begins");
                }
                let driver = Driver::new(shell.clone(), level, dials, engine);
                Self::Running(Box::new(driver))
            }
            Err(problem) => {
                Host::log(shell, Level::Warn, &problem);
                Self::Misconfigured { problem }
            }
        }
    }
}

fn configure(name: &str, env: &Object) -> Result<(Settings, Dials, Level), String> {
    if name.is_empty() {
        return Err(
            "this object has no name; get it by its database's name (idFromName), and run \
                    it with a compatibility date of 2026-03 or later"
                .to_owned(),
        );
    }
    let variable = |key: &str| Reflect::get(env, &key.into()).ok()?.as_string();
    let config = DatabaseConfig::look_up(name, variable).map_err(|error| error.to_string())?;
    let verbose = variable(LOG_VARIABLE).as_deref() == Some("debug");
    let (settings, dials) = split(config, allowance::of_the_isolate(), verbose);
    let level = if verbose { Level::Debug } else { Level::Info };
    Ok((settings, dials, level))
}

/// Who opens a lease, or what is wrong with the options that say so.
fn lease_terms(options: &Uint8Array) -> Result<Terms, String> {
    let length = options.length() as usize;
    if length > OPTIONS_BYTES_MAX {
        return Err(format!("the options have {length} bytes, at most {OPTIONS_BYTES_MAX}"));
    }
    let options = Options::parse(bytes(options)).map_err(|error| error.to_string())?;
    Ok(Terms { class: options.caller.unwrap_or_default(), ..Terms::default() })
}

/// The limits that `js/sockets.mjs` keeps.
fn socket_limits() -> Object {
    let linger = limits::SOCKET_LINGER.as_u32();
    object([
        ("SOCKET_READ_IDLE", limits::SOCKET_READ_IDLE.into()),
        ("SOCKET_READ_BUSY", limits::SOCKET_READ_BUSY.into()),
        ("SOCKET_WRITE", limits::SOCKET_WRITE.into()),
        ("SOCKET_INBOX", limits::SOCKET_INBOX.into()),
        ("SOCKET_BUFFERS_BUDGET", limits::SOCKET_BUFFERS_BUDGET.into()),
        ("SOCKET_LINGER", linger.into()),
    ])
}

/// An object of JavaScript with these fields.
pub(crate) fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // A plain object takes every field.
        drop(Reflect::set(&object, &name.into(), &value));
    }
    object
}

/// A number that JavaScript counted or got from us: whole, not negative, below 2^53.
fn number(number: f64) -> u64 {
    number as u64
}

/// The one copy of bytes that come in.
fn bytes(array: &Uint8Array) -> Bytes {
    Bytes::from(array.to_vec())
}

/// The id that names a request. Of another length than 16 bytes, it names nothing.
fn request_name(id: &Uint8Array) -> Option<[u8; 16]> {
    let mut name = [0; 16];
    if id.length() != 16 {
        return None;
    }
    id.copy_to(&mut name);
    Some(name)
}
