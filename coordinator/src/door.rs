//! The door for agents: who may dial in, decided in the stateless Worker, before any object is
//! called.
//!
//! ```text
//! GET …/pierhead/agent/<database>       door.rs  a WebSocket? the right token?
//! Upgrade: websocket                      │
//! Authorization: Bearer <token>           ├─ no ──▶ 426, 401
//!                                         └─ yes ─▶ door.mjs  the object's fetch of /link,
//!                                                             without the token
//! ```
//!
//! A database that is unknown, or not configured for agents, is answered exactly like a wrong
//! token, and after the same comparisons. Only the Worker's log tells them apart.

use std::hint::black_box;

use js_sys::{Object, Reflect};
use pierhead_config::{DatabaseConfig, Jurisdiction, Location, Secret, Tunnel, variable};
use sha2::{Digest, Sha256};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::PierheadCore;

/// What stands before the database's name in the path.
const PATH: &str = "/pierhead/agent/";
/// Tokens that are valid at once.
const TOKENS_MAX: usize = 2;

#[wasm_bindgen(module = "/js/door.mjs")]
extern "C" {
    fn refuse(status: u16, text: &str, warning: &str) -> JsValue;
    fn forward(
        namespace: &JsValue,
        name: &str,
        location: Option<&str>,
        jurisdiction: Option<&str>,
    ) -> JsValue;
}

#[wasm_bindgen]
extern "C" {
    /// The platform's `Request`.
    pub type DialInRequest;

    #[wasm_bindgen(method, getter)]
    fn url(this: &DialInRequest) -> String;
    #[wasm_bindgen(method, getter)]
    fn method(this: &DialInRequest) -> String;
    #[wasm_bindgen(method, getter)]
    fn headers(this: &DialInRequest) -> Headers;

    type Headers;

    /// Throws on names that are no header's; ours are.
    #[wasm_bindgen(method, catch)]
    fn get(this: &Headers, name: &str) -> Result<Option<String>, JsValue>;
}

#[wasm_bindgen]
impl PierheadCore {
    /// Answers an agent that dials in (`GET /pierhead/agent/<database>`) with a promise of a
    /// `Response`, or gives null for any other request. `env` holds the databases' variables,
    /// `namespace` is the binding of the Durable Object class.
    #[wasm_bindgen(js_name = dialIn)]
    pub fn dial_in(request: &DialInRequest, env: &Object, namespace: &JsValue) -> JsValue {
        let headers = request.headers();
        let header = |name| headers.get(name).ok().flatten().unwrap_or_default();
        let knock = Knock {
            url: &request.url(),
            method: &request.method(),
            upgrade: &header("Upgrade"),
            authorization: &header("Authorization"),
        };
        let lookup = |name: &str| Reflect::get(env, &name.into()).ok()?.as_string();
        match knock.verdict(lookup) {
            Verdict::Elsewhere => JsValue::NULL,
            Verdict::Refused { status, text, warning } => refuse(status, &text, &warning),
            Verdict::Admitted { name, location, jurisdiction } => forward(
                namespace,
                &name,
                location.as_ref().map(Location::as_str),
                jurisdiction.as_ref().map(Jurisdiction::as_str),
            ),
        }
    }
}

/// What of a request decides.
struct Knock<'a> {
    url: &'a str,
    method: &'a str,
    upgrade: &'a str,
    authorization: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Not for this door.
    Elsewhere,
    /// The answer, and what the Worker's log says; empty: nothing.
    Refused { status: u16, text: String, warning: String },
    /// The object to be called.
    Admitted { name: String, location: Option<Location>, jurisdiction: Option<Jurisdiction> },
}

impl Knock<'_> {
    fn verdict(&self, lookup: impl FnMut(&str) -> Option<String>) -> Verdict {
        let Some(name) = database(self.url) else { return Verdict::Elsewhere };
        if self.method != "GET" || !self.upgrade.eq_ignore_ascii_case("websocket") {
            let text = "Agents dial in here, with a GET that asks for a WebSocket (Upgrade: \
                        websocket). A proxy on the way may have removed that header.\n";
            return Verdict::Refused { status: 426, text: text.to_owned(), warning: String::new() };
        }
        let known = configured(name, lookup);
        let tokens = known.as_ref().map_or(&[][..], |config| &config.agent_tokens);
        let admitted = is_one_of(bearer(self.authorization), tokens);
        match known {
            Ok(DatabaseConfig { name, location, jurisdiction, .. }) if admitted => {
                Verdict::Admitted { name, location, jurisdiction }
            }
            Ok(_) => unauthorized(name, "its token is not the database's"),
            Err(problem) => unauthorized(name, &problem),
        }
    }
}

/// The configuration of a database that agents may serve, or what to say in the log.
fn configured(
    name: &str,
    lookup: impl FnMut(&str) -> Option<String>,
) -> Result<DatabaseConfig, String> {
    let config = DatabaseConfig::look_up(name, lookup).map_err(|error| error.to_string())?;
    if config.tunnels.contains(&Tunnel::Agent) {
        return Ok(config);
    }
    Err(format!("PIERHEAD_DB_{}: agent is not in tunnel=; add it", name.to_ascii_uppercase()))
}

fn unauthorized(name: &str, problem: &str) -> Verdict {
    // What a stranger wrote is repeated only where it can be a database's name.
    let variable = variable(name).unwrap_or_else(|_| "PIERHEAD_DB_<NAME>".to_owned());
    Verdict::Refused {
        status: 401,
        text: format!(
            "Refused: either the agent's {variable}_AGENT_TOKEN is neither the Worker's secret of \
             that name nor its {variable}_AGENT_TOKEN_NEXT, or the Worker has no database of this \
             name with agent in tunnel=. The Worker's log says which.\n"
        ),
        warning: format!("an agent for {variable} was refused: {problem}"),
    }
}

/// The database named by a URL's path, if the path is that of this door. Whatever precedes it is
/// the base at which the Worker is mounted.
fn database(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once(PATH)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// The token in an `Authorization` header; empty, which no token is, if there is none.
fn bearer(authorization: &str) -> &str {
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

/// Whether `offered` is one of the tokens. Takes the same time however much of it is right and
/// however many tokens there are: it compares digests, all bytes of all of them.
fn is_one_of(offered: &str, tokens: &[Secret]) -> bool {
    let offered = Sha256::digest(offered);
    let mut found = false;
    for place in 0..TOKENS_MAX {
        let (valid, token) = tokens.get(place).map_or((false, ""), |token| (true, token.expose()));
        let token = Sha256::digest(token);
        let difference = offered.iter().zip(&token).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        found |= valid & (difference == 0);
    }
    black_box(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef-first";
    const NEXT: &str = "0123456789abcdef-second";

    fn knock<'a>(url: &'a str, authorization: &'a str) -> Knock<'a> {
        Knock { url, method: "GET", upgrade: "websocket", authorization }
    }

    fn variables(name: &str) -> Option<String> {
        let value = match name {
            "PIERHEAD_DB_MAIN" => "postgres://app@db/x?tunnel=agent&location=weur&jurisdiction=eu",
            "PIERHEAD_DB_MAIN_AGENT_TOKEN" | "PIERHEAD_DB_DIRECT_AGENT_TOKEN" => TOKEN,
            "PIERHEAD_DB_BROKEN_AGENT_TOKEN" => TOKEN,
            "PIERHEAD_DB_MAIN_AGENT_TOKEN_NEXT" => NEXT,
            "PIERHEAD_DB_DIRECT" => "postgres://app@db/x",
            "PIERHEAD_DB_BROKEN" => "postgres://app@db/x?tunnel=agent&pool_size=0",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn refusal(verdict: Verdict) -> (u16, String, String) {
        match verdict {
            Verdict::Refused { status, text, warning } => (status, text, warning),
            other @ (Verdict::Elsewhere | Verdict::Admitted { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_path_names_the_database() {
        assert_eq!(database("https://host/pierhead/agent/main"), Some("main"));
        assert_eq!(database("https://host/base/pierhead/agent/my_db?x=/y"), Some("my_db"));
        for url in [
            "https://host/",
            "https://host/pierhead/agent",
            "https://host/pierhead/agent/",
            "https://host/pierhead/agent/main/x",
            "https://host/?/pierhead/agent/main",
            "https://host/x#/pierhead/agent/main",
            "/pierhead/agent/main",
        ] {
            assert_eq!(database(url), None, "{url}");
            assert_eq!(knock(url, "").verdict(variables), Verdict::Elsewhere);
        }
    }

    #[test]
    fn both_tokens_open_the_door() {
        for token in [TOKEN, NEXT] {
            let (url, bearer) = ("https://host/pierhead/agent/main", format!("Bearer {token}"));
            let verdict = knock(url, &bearer).verdict(variables);
            let expected = Verdict::Admitted {
                name: "main".to_owned(),
                location: Location::from_name("weur"),
                jurisdiction: Jurisdiction::from_name("eu"),
            };
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn nothing_else_opens_it() {
        let almost = format!("Bearer {}x", &TOKEN[..TOKEN.len() - 1]);
        let longer = format!("Bearer {TOKEN}x");
        let basic = format!("Basic {TOKEN}");
        for authorization in ["", "Bearer", "Bearer ", TOKEN, &almost, &longer, &basic] {
            let knock = knock("https://host/pierhead/agent/main", authorization);
            let (status, text, warning) = refusal(knock.verdict(variables));
            assert_eq!(status, 401, "{authorization}");
            assert!(text.contains("PIERHEAD_DB_MAIN_AGENT_TOKEN_NEXT"), "{text}");
            assert!(!format!("{text}{warning}").contains("0123456789abcdef"), "{text}{warning}");
        }
    }

    #[test]
    fn a_stranger_does_not_learn_which_databases_exist() {
        let bearer = format!("Bearer {TOKEN}");
        let answer = |name: &str| {
            let url = format!("https://host/pierhead/agent/{name}");
            let (status, text, warning) = refusal(knock(&url, &bearer).verdict(variables));
            let upper = name.to_ascii_uppercase();
            ((status, text.replace(&upper, "<NAME>")), warning)
        };
        let (unknown, warning) = answer("other");
        assert!(warning.contains("PIERHEAD_DB_OTHER: not set"), "{warning}");
        let (direct, warning) = answer("direct");
        assert!(warning.contains("agent is not in tunnel="), "{warning}");
        let (broken, warning) = answer("broken");
        assert!(warning.contains("pool_size: expected a whole number"), "{warning}");
        let (impossible, _) = answer("NO-name%0a");
        assert_eq!([&direct, &broken, &impossible], [&unknown; 3]);
    }

    #[test]
    fn what_is_no_websocket_is_told_so() {
        let mut knock = knock("https://host/pierhead/agent/main", "");
        knock.upgrade = "";
        let (status, text, warning) = refusal(knock.verdict(variables));
        assert_eq!((status, warning.as_str()), (426, ""));
        assert!(text.contains("Upgrade: websocket"), "{text}");
        knock.upgrade = "WebSocket";
        knock.method = "POST";
        assert_eq!(refusal(knock.verdict(variables)).0, 426);
    }

    #[test]
    fn no_tokens_admit_nobody() {
        assert!(!is_one_of("", &[]));
        assert!(!is_one_of("", &[TOKEN.into()]));
        assert!(is_one_of(NEXT, &[TOKEN.into(), NEXT.into()]));
    }
}
