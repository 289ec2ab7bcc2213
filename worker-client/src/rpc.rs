//! The coordinator's methods as the platform's RPC offers them, and what JavaScript there is around
//! them.

use std::rc::Rc;

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
pub(crate) use worker::worker_sys::Socket as RawSocket;

use crate::Error;
use crate::error::{Kind, PlatformError};

#[wasm_bindgen]
extern "C" {
    /// A binding of a durable object's namespace.
    #[derive(Clone)]
    pub(crate) type Namespace;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn jurisdiction(this: &Namespace, name: &str) -> Result<Namespace, JsValue>;

    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &str, options: &Object) -> Result<RawPeer, JsValue>;

    /// A binding of the gateway.
    #[derive(Clone)]
    pub(crate) type Gateway;

    #[wasm_bindgen(method, catch)]
    fn database(this: &Gateway, name: &str) -> Result<RawPeer, JsValue>;

    /// A stub of a coordinator, of a gateway's database, or of a lease: all take requests alike. It
    /// belongs to one invocation of the Worker, and once broken stays so.
    #[derive(Clone)]
    type RawPeer;

    #[wasm_bindgen(method, catch)]
    fn exchange(this: &RawPeer, request: &Uint8Array, alive: &Function)
    -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn abort(this: &RawPeer, request_id: &Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn begin(this: &RawPeer, options: &Uint8Array) -> Result<RawPeer, JsValue>;

    #[wasm_bindgen(method, catch, js_name = connect)]
    fn raw_connect(this: &RawPeer, address: &str) -> Result<RawSocket, JsValue>;

    #[wasm_bindgen(method, catch, js_name = connect)]
    fn raw_connect(this: &Gateway, address: &str) -> Result<RawSocket, JsValue>;

    type ByteStream;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &ByteStream, options: &Object) -> Result<RawReader, JsValue>;

    type RawReader;

    #[wasm_bindgen(method, catch)]
    fn read(this: &RawReader, view: &Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn cancel(this: &RawReader) -> Result<JsValue, JsValue>;
}

impl Namespace {
    /// The stub of the object with this name, to be created at `location` if it does not exist yet.
    pub(crate) fn open(&self, name: &str, location: Option<&str>) -> Result<Rc<Peer>, Error> {
        let raw = self.stub(name, location)?;
        Ok(Rc::new(Peer { raw, parent: None, disposable: false }))
    }

    /// A socket of the object with this name.
    pub(crate) fn connect(&self, name: &str, location: Option<&str>) -> Result<RawSocket, Error> {
        self.stub(name, location)?.raw_connect(ADDRESS).map_err(platform)
    }

    fn stub(&self, name: &str, location: Option<&str>) -> Result<RawPeer, Error> {
        let options = Object::new();
        if let Some(location) = location {
            set(&options, "locationHint", location)?;
        }
        self.get_by_name(name, &options).map_err(platform)
    }
}

impl Gateway {
    /// The database behind the gateway. Its first request rides with the question for it.
    pub(crate) fn open(&self, name: &str) -> Result<Rc<Peer>, Error> {
        let raw = self.database(name).map_err(platform)?;
        Ok(Rc::new(Peer { raw, parent: None, disposable: true }))
    }

    /// A socket of the gateway, which is told the database in the start-up.
    pub(crate) fn connect(&self) -> Result<RawSocket, Error> {
        self.raw_connect(ADDRESS).map_err(platform)
    }
}

/// The platform wants an address; nobody looks at it.
const ADDRESS: &str = "pierhead:5432";

/// Whoever takes requests: a coordinator, a gateway's database, or a lease of either. Dropped, it is
/// let go of: what a lease holds open is rolled back, with nothing to wait for.
pub(crate) struct Peer {
    raw: RawPeer,
    /// Whom a lease is of: let go of after it.
    #[expect(dead_code, reason = "held, not used")]
    parent: Option<Rc<Self>>,
    /// An object's stub needs no disposal, and is not to be had twice.
    disposable: bool,
}

impl Peer {
    /// Calls `exchange`; the answer may still be under way.
    pub(crate) fn start(&self, request: &[u8], alive: &Alive) -> Result<JsFuture, Error> {
        let alive = alive.0.as_ref().unchecked_ref();
        let promise = self.raw.exchange(&Uint8Array::from(request), alive).map_err(platform)?;
        Ok(future(&promise))
    }

    /// Calls `abort`, if the platform lets it.
    pub(crate) fn start_abort(&self, request_id: [u8; 16]) -> Option<JsFuture> {
        let promise = self.raw.abort(&Uint8Array::from(request_id.as_slice())).ok()?;
        Some(future(&promise))
    }

    /// A lease, to which requests can be sent at once: they ride with the question for it.
    pub(crate) fn lease(self: Rc<Self>, options: &[u8]) -> Result<Rc<Self>, Error> {
        let raw = self.raw.begin(&Uint8Array::from(options)).map_err(platform)?;
        Ok(Rc::new(Self { raw, parent: Some(self), disposable: true }))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.disposable {
            dispose(&self.raw);
        }
    }
}

/// The callback that a coordinator calls to see whether its caller still exists. Once this is
/// dropped, the call fails.
pub(crate) struct Alive(Closure<dyn Fn()>);

impl Alive {
    pub(crate) fn new() -> Self {
        Self(Closure::new(|| ()))
    }
}

/// An answer that arrives as a stream.
pub(crate) struct Reader {
    raw: RawReader,
    /// Comes back from each read, and is lent to the next.
    view: Option<Uint8Array>,
}

/// Bytes asked of the stream at once. A read without a buffer of one's own gives 4 KiB.
const READ_BYTES: u32 = 64 * 1024;

impl Reader {
    pub(crate) fn new(stream: JsValue) -> Result<Self, Error> {
        let options = Object::new();
        set(&options, "mode", "byob")?;
        let raw = stream.unchecked_ref::<ByteStream>().get_reader(&options).map_err(platform)?;
        Ok(Self { raw, view: None })
    }

    /// The next bytes, or nothing at the end.
    pub(crate) async fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let view = self.view.take().unwrap_or_else(|| Uint8Array::new_with_length(READ_BYTES));
        let promise = self.raw.read(&view).map_err(platform)?;
        let result = future(&promise).await.map_err(platform)?;
        let done = get(&result, "done").is_truthy();
        let Ok(read) = get(&result, "value").dyn_into::<Uint8Array>() else { return Ok(None) };
        if done {
            return Ok(None);
        }
        self.view = Some(Uint8Array::new(&read.buffer()));
        Ok(Some(read.to_vec()))
    }

    pub(crate) fn cancel_and_forget(&self) {
        if let Ok(promise) = self.raw.cancel() {
            forget(future(&promise));
        }
    }
}

/// Tells the platform that a result of a call is not used any more.
pub(crate) fn dispose(value: &JsValue) {
    let symbol = Reflect::get(&js_sys::global(), &"Symbol".into())
        .and_then(|symbol| Reflect::get(&symbol, &"dispose".into()))
        .unwrap_or_default();
    if !symbol.is_symbol() {
        return;
    }
    let method = Reflect::get(value, &symbol).unwrap_or_default();
    if let Ok(method) = method.dyn_into::<Function>() {
        let _ = Reflect::apply(&method, value, &Array::new());
    }
}

/// What the platform threw, with the two properties by which it says what kind of failure it is.
pub(crate) fn platform(thrown: JsValue) -> Error {
    let message = get(&thrown, "message").as_string().or_else(|| thrown.as_string());
    Error::new(Kind::Platform(PlatformError {
        message: message.unwrap_or_else(|| "no reason given".to_owned()),
        overloaded: get(&thrown, "overloaded").is_truthy(),
        retryable: get(&thrown, "retryable").is_truthy(),
    }))
}

/// Calls of another object's method return thenables that are no promises.
fn future(thenable: &JsValue) -> JsFuture {
    JsFuture::from(Promise::resolve(thenable))
}

/// Waits in the background: whether it arrives makes no difference here.
pub(crate) fn forget(future: JsFuture) {
    spawn_local(async move {
        let _ = future.await;
    });
}

/// The same of a promise.
pub(crate) fn forget_promise(promise: &JsValue) {
    forget(future(promise));
}

fn get(object: &JsValue, key: &str) -> JsValue {
    if object.is_object() {
        Reflect::get(object, &key.into()).unwrap_or_default()
    } else {
        JsValue::UNDEFINED
    }
}

fn set(object: &Object, key: &str, value: &str) -> Result<(), Error> {
    Reflect::set(object, &key.into(), &value.into()).map(drop).map_err(platform)
}
