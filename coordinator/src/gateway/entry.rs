//! What `js/gateway.mjs` asks, and how it is answered.

use js_sys::{Array, JsString, Object, Reflect, Uint8Array};
use pierhead_config::{Jurisdiction, Location};
use pierhead_engine::limits::START_UP_TIMEOUT;
use pierhead_wire::limits::OPTIONS_BYTES_MAX;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

use super::props::{Props, Value};
use super::{Gateway, Home, Refusal, Variables, Verdict};
use crate::PierheadCore;
use crate::core::object;
use crate::limits::{GATEWAY_CANCEL_TIME, GATEWAY_INBOX, GATEWAY_READ, SOCKET_READ_IDLE};

#[wasm_bindgen(module = "/js/gateway.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = gatewayClass)]
    fn gateway_class(core: &JsValue, limits: &Object) -> JsValue;
}

impl Variables for Object {
    fn get(&self, name: &str) -> Option<String> {
        Reflect::get(self, &name.into()).ok()?.as_string()
    }

    fn names(&self) -> Vec<String> {
        Self::keys(self).iter().filter_map(|name| name.as_string()).collect()
    }
}

#[wasm_bindgen]
impl PierheadCore {
    /// The class `Gateway` for a Worker's entry to export: the way in for other Workers. Takes this
    /// class as the built module exports it.
    #[wasm_bindgen(js_name = gateway)]
    pub fn gateway(core: &JsValue) -> JsValue {
        let limits = object([
            ("START_UP_TIMEOUT", START_UP_TIMEOUT.as_u32().into()),
            ("CANCEL_TIME", GATEWAY_CANCEL_TIME.as_u32().into()),
            ("INBOX", GATEWAY_INBOX.into()),
            ("READ", GATEWAY_READ.into()),
            ("READ_IDLE", SOCKET_READ_IDLE.into()),
        ]);
        gateway_class(core, &limits)
    }

    /// What is done about the first bytes of a client; see `Verdict`.
    #[wasm_bindgen(js_name = gatewayVerdict)]
    pub fn gateway_verdict(
        env: &Object,
        props: &JsValue,
        first: &Uint8Array,
        asked: u32,
    ) -> Object {
        let verdict = match read(props) {
            Ok(props) => Gateway { props, variables: env }.verdict(&first.to_vec(), asked),
            Err(refusal) => Verdict::Refused(refusal),
        };
        match verdict {
            Verdict::More => kind("more", []),
            Verdict::Encryption { used } => kind("encryption", [("used", number(used))]),
            Verdict::Session { used, home, head } => kind(
                "session",
                [("used", number(used)), ("home", described(&home).into()), ("head", bytes(&head))],
            ),
            Verdict::Cancel { homes, head } => {
                let homes: Array = homes.iter().map(described).collect();
                kind("cancel", [("homes", homes.into()), ("head", bytes(&head))])
            }
            Verdict::Refused(refusal) => kind("refused", [("head", bytes(&refusal.packet()))]),
        }
    }

    /// The object of a database, for a call over RPC: `home`, or `refusal`, the answer to all that
    /// the caller asks. `options` are those that its leases begin with, whatever it says itself.
    #[wasm_bindgen(js_name = gatewayHome)]
    pub fn gateway_home(env: &Object, props: &JsValue, database: &JsString) -> Object {
        let found = read(props).and_then(|props| {
            check_objects(env)?;
            let gateway = Gateway { props, variables: env };
            let home = gateway.home(&String::from(database))?;
            Ok((home, gateway.lease_options()))
        });
        match found {
            Ok((home, options)) => {
                let options = options.map_or(JsValue::UNDEFINED, |options| bytes(&options));
                object([("home", described(&home).into()), ("options", options)])
            }
            Err(refusal) => object([("refusal", bytes(&refusal.answer()))]),
        }
    }

    /// A request's beginning in the name that the binding gives its callers: `head`, in place of
    /// the request's first `used` bytes. Nothing if the binding gives none.
    #[wasm_bindgen(js_name = gatewayNamed)]
    pub fn gateway_named(env: &Object, props: &JsValue, request: &Uint8Array) -> Option<Object> {
        let gateway = Gateway { props: read(props).ok()?, variables: env };
        let beginning = request.subarray(0, REQUEST_BEGINNING_BYTES).to_vec();
        let (head, used) = gateway.named(beginning.into())?;
        Some(object([("head", bytes(&head)), ("used", number(used))]))
    }

    /// What a client is told when its start-up takes too long.
    #[wasm_bindgen(js_name = gatewayLate)]
    pub fn gateway_late() -> JsValue {
        let message = format!("the start-up was not complete within {} ms", START_UP_TIMEOUT.0);
        bytes(&Refusal { code: b"57P05", message, hint: String::new() }.packet())
    }

    /// What a client is told when its object did not answer, in the platform's words.
    #[wasm_bindgen(js_name = gatewayLost)]
    pub fn gateway_lost(detail: &JsString) -> JsValue {
        let message = format!("the coordinator did not answer: {}", String::from(detail));
        let hint = "connect again; the log of Pierhead's Worker may say more".to_owned();
        bytes(&Refusal { code: b"08006", message, hint }.packet())
    }
}

/// Bytes of a request in which its options end: what precedes them, and as many as they may have.
const REQUEST_BEGINNING_BYTES: u32 = 23 + OPTIONS_BYTES_MAX as u32;

/// A gateway without objects behind it can serve nobody.
fn check_objects(env: &Object) -> Result<(), Refusal> {
    if Reflect::get(env, &OBJECTS.into()).is_ok_and(|binding| binding.is_object()) {
        return Ok(());
    }
    Err(Refusal {
        code: b"F0000",
        message: format!(
            "the Worker that exports the gateway has no Durable Object binding {OBJECTS}"
        ),
        hint: "add it to that Worker's wrangler.toml and deploy it again".to_owned(),
    })
}

/// The binding of the objects' namespace.
const OBJECTS: &str = "PIERHEAD";

fn read(props: &JsValue) -> Result<Props, Refusal> {
    let Some(props) = props.dyn_ref::<Object>() else { return Ok(Props::default()) };
    let names = Object::keys(props);
    let fields = names.iter().filter_map(|name| {
        let value = Reflect::get(props, &name).unwrap_or_default();
        Some((name.as_string()?, self::value(&value)))
    });
    Props::read(fields.collect())
}

fn value(value: &JsValue) -> Value {
    if let Some(text) = value.as_string() {
        return Value::Text(text);
    }
    match value.dyn_ref::<Array>() {
        Some(list) => Value::List(list.iter().map(|value| self::value(&value)).collect()),
        None if value.is_undefined() || value.is_null() => Value::Absent,
        None => Value::Other,
    }
}

fn kind<const N: usize>(kind: &str, fields: [(&str, JsValue); N]) -> Object {
    let verdict = object(fields);
    // A plain object takes every field.
    drop(Reflect::set(&verdict, &"kind".into(), &kind.into()));
    verdict
}

fn described(home: &Home) -> Object {
    object([
        ("name", home.name.as_str().into()),
        ("location", home.location.as_ref().map(Location::as_str).into()),
        ("jurisdiction", home.jurisdiction.as_ref().map(Jurisdiction::as_str).into()),
    ])
}

fn number(number: usize) -> JsValue {
    u32::try_from(number).unwrap_or(u32::MAX).into()
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}
