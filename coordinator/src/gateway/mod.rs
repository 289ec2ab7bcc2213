//! The gateway: who may use which database, decided in a stateless Worker before any object is
//! called. From the props of the binding, the Worker's variables and a client's first bytes to a
//! verdict; what the platform must be asked for is in `js/gateway.mjs`.
//!
//! ```text
//! connect(socket), GET /socket    entry.rs  the first packets, the binding's props
//! database(name)                    │
//!                                   ├─ refused ──▶ an error that names the fix
//!                                   └─ allowed ──▶ gateway.mjs  the object's socket: the terms
//!                                                               packet, then the client's bytes
//! ```

mod entry;
mod props;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use pierhead_config::{DatabaseConfig, Jurisdiction, Location, variable};
use pierhead_wire::envelope::{Blame, Options, Request, SqlState, put_request_head};
use pierhead_wire::limits::STARTUP_BYTES_MAX;
use pierhead_wire::pg::backend::{self, Report, Severity};
use pierhead_wire::pg::startup::{Names, StartUp, TermsPacket, write_start};

use self::props::Props;
use crate::limits::{GATEWAY_CANCEL_OBJECTS, GATEWAY_ENCRYPTION_REQUESTS};
use crate::refuse;

/// What the variables of databases begin with.
const PREFIX: &str = "PIERHEAD_DB_";
/// Whether a binding must name its databases.
const REQUIRED: &str = "PIERHEAD_GATEWAY_PROPS";

/// The Worker's variables.
pub(crate) trait Variables {
    /// The value of a variable or secret, if it is set.
    fn get(&self, name: &str) -> Option<String>;
    /// The names of all that are set.
    fn names(&self) -> Vec<String>;
}

/// The object of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) name: String,
    pub(crate) location: Option<Location>,
    pub(crate) jurisdiction: Option<Jurisdiction>,
}

/// Why a client or a caller is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static [u8; 5],
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Refusal {
    /// As a caller over RPC is told: the whole answer to any of its requests. An error thrown would
    /// leave it to guess whether anything was executed.
    pub(crate) fn answer(&self) -> Bytes {
        let blame = if self.code == b"F0000" { Blame::Pierhead } else { Blame::Caller };
        refuse::answer(SqlState::literal(self.code), blame, &self.message, &self.hint)
    }

    /// As a client of PostgreSQL is told.
    pub(crate) fn packet(&self) -> Bytes {
        let mut out = BytesMut::new();
        let report = Report {
            severity: Severity::Fatal,
            sqlstate: SqlState::literal(self.code),
            message: &self.message,
            detail: "",
            hint: &self.hint,
        };
        backend::error_response(&report, &mut out);
        out.freeze()
    }
}

/// What is done about a client's first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More must come.
    More,
    /// It asks for encryption, in so many bytes: there is none in here.
    Encryption {
        used: usize,
    },
    /// So many bytes are a start-up; these are said to the object in their place.
    Session {
        used: usize,
        home: Home,
        head: Bytes,
    },
    /// These are said to each of the objects; what they answer is of no interest.
    Cancel {
        homes: Vec<Home>,
        head: Bytes,
    },
    Refused(Refusal),
}

/// The gateway, as one binding sees it.
pub(crate) struct Gateway<'a, V> {
    pub(crate) props: Props,
    pub(crate) variables: &'a V,
}

impl<V: Variables> Gateway<'_, V> {
    /// What is done about the first bytes of a client that has asked for encryption so many times.
    pub(crate) fn verdict(&self, bytes: &[u8], asked: u32) -> Verdict {
        let (packet, used) = match StartUp::read(bytes) {
            Ok(None) => return Verdict::More,
            Ok(Some(found)) => found,
            Err(error) => {
                let hint = "speak PostgreSQL's protocol 3, without TLS: the way to here is private";
                return refused(b"08P01", error.to_string(), hint);
            }
        };
        match packet {
            StartUp::SslRequest | StartUp::GssRequest if asked < GATEWAY_ENCRYPTION_REQUESTS => {
                Verdict::Encryption { used }
            }
            StartUp::SslRequest | StartUp::GssRequest => {
                let message = "encryption was asked for too often".to_owned();
                refused(b"08P01", message, "go on without when it is denied")
            }
            StartUp::Terms(_) => {
                let message = "a client may not say on whose terms it comes".to_owned();
                refused(b"28000", message, "the binding's props do: leave the terms packet out")
            }
            StartUp::Cancel { .. } => match self.homes() {
                Ok(homes) => {
                    let packet = bytes.get(..used).unwrap_or_default();
                    let head = [&self.terms().encode()[..], packet].concat().into();
                    Verdict::Cancel { homes, head }
                }
                Err(refusal) => Verdict::Refused(refusal),
            },
            StartUp::Start { minor, parameters } => match self.session(minor, &parameters) {
                Ok((home, head)) => Verdict::Session { used, home, head },
                Err(refusal) => Verdict::Refused(refusal),
            },
        }
    }

    /// The object of a session, and how it is addressed: the database by the object's name, which
    /// is another than the client's where the binding has a role.
    fn session(&self, minor: u16, parameters: &[(&str, &str)]) -> Result<(Home, Bytes), Refusal> {
        let names = Names::of(parameters).map_err(|error| Refusal {
            code: error.sqlstate(),
            message: error.to_string(),
            hint: error.hint().to_owned(),
        })?;
        let home = self.home(names.database)?;
        let others = parameters.iter().filter(|(name, _)| !matches!(*name, "user" | "database"));
        let named = [("user", names.user), ("database", home.name.as_str())];
        let start = write_start(minor, named.into_iter().chain(others.copied()));
        if start.len() > STARTUP_BYTES_MAX {
            return Err(Refusal {
                code: b"08P01",
                message: format!("the start-up message has more than {STARTUP_BYTES_MAX} bytes"),
                hint: "set some of the settings later, by SET".to_owned(),
            });
        }
        let head = [&self.terms().encode()[..], &start].concat();
        Ok((home, head.into()))
    }

    /// What the leases of the binding begin with, if it says.
    pub(crate) fn lease_options(&self) -> Option<Bytes> {
        let caller = self.props.caller.clone()?;
        Some(Options { caller: Some(caller), ..Options::default() }.encode().freeze())
    }

    /// What stands before a request's protocol bytes, in the binding's name instead of the caller's
    /// own, if the binding has one; and how many bytes of the request that replaces. `request` may be
    /// cut behind its options. What cannot be read is left for the object to refuse.
    pub(crate) fn named(&self, request: Bytes) -> Option<(Bytes, usize)> {
        let caller = self.props.caller.clone()?;
        let whole = request.len();
        let Request { remaining_ms, id, options, protocol } = Request::parse(request).ok()?;
        let options = Options { caller: Some(caller), ..options };
        let mut head = BytesMut::new();
        put_request_head(&mut head, remaining_ms, id, &options);
        Some((head.freeze(), whole - protocol.len()))
    }

    fn terms(&self) -> TermsPacket<'_> {
        TermsPacket { caller: self.props.caller.as_deref(), mode: self.props.mode }
    }

    /// The object of the database that is called so, if the binding may use it.
    pub(crate) fn home(&self, database: &str) -> Result<Home, Refusal> {
        self.check_binding()?;
        if let Some(allowed) = &self.props.databases
            && !allowed.iter().any(|name| name == database)
        {
            return Err(Refusal {
                code: b"28000",
                message: format!("this binding of the gateway may not use database \"{database}\""),
                hint: match allowed.as_slice() {
                    [] => "its props.databases is empty".to_owned(),
                    some => format!("it may use {}; props.databases says so", some.join(", ")),
                },
            });
        }
        self.configured(&self.object_name(database))
    }

    /// The objects of all databases that the binding may use, for what names none.
    fn homes(&self) -> Result<Vec<Home>, Refusal> {
        self.check_binding()?;
        let names: Vec<String> = match &self.props.databases {
            Some(allowed) => allowed.iter().map(|name| self.object_name(name)).collect(),
            None => {
                let suffix = self.props.role.as_ref().map(|role| format!("_{role}"));
                let mut names = self.databases();
                names.retain(|name| suffix.as_ref().is_none_or(|suffix| name.ends_with(suffix)));
                names
            }
        };
        let known = names.iter().filter_map(|name| self.configured(name).ok());
        Ok(known.take(GATEWAY_CANCEL_OBJECTS).collect())
    }

    fn object_name(&self, database: &str) -> String {
        match &self.props.role {
            Some(role) => format!("{database}_{role}"),
            None => database.to_owned(),
        }
    }

    /// The names of all databases that have a variable.
    fn databases(&self) -> Vec<String> {
        let names = self.variables.names().into_iter();
        let mut found: Vec<String> = names
            .filter_map(|name| name.strip_prefix(PREFIX).map(str::to_ascii_lowercase))
            .filter(|name| variable(name).is_ok())
            .collect();
        found.sort();
        found
    }

    fn check_binding(&self) -> Result<(), Refusal> {
        let required = match self.variables.get(REQUIRED).as_deref() {
            None | Some("optional") => false,
            Some("required") => true,
            Some(_) => {
                return Err(Refusal {
                    code: b"F0000",
                    message: format!("{REQUIRED} is neither required nor optional"),
                    hint: "change the variable of Pierhead's Worker and deploy it again".to_owned(),
                });
            }
        };
        if required && self.props.databases.is_none() {
            return Err(Refusal {
                code: b"28000",
                message: format!(
                    "this binding of the gateway may use no database: its props have no databases, \
                     and {REQUIRED} says that they must"
                ),
                hint: "write them into the service binding, as in props = { databases = \
                       [\"main\"] }"
                    .to_owned(),
            });
        }
        Ok(())
    }

    fn configured(&self, name: &str) -> Result<Home, Refusal> {
        let unknown = |hint: String| Refusal {
            code: b"3D000",
            message: format!("database \"{name}\" is not configured"),
            hint,
        };
        let Ok(variable) = variable(name) else {
            let hint = "a database is called as its variable PIERHEAD_DB_<NAME>, in lower case";
            return Err(unknown(hint.to_owned()));
        };
        if self.variables.get(&variable).is_none() {
            return Err(unknown(format!("set {variable} at the Worker that exports the gateway")));
        }
        match DatabaseConfig::look_up(name, |key| self.variables.get(key)) {
            Ok(DatabaseConfig { name, location, jurisdiction, .. }) => {
                Ok(Home { name, location, jurisdiction })
            }
            Err(error) => Err(Refusal {
                code: b"F0000",
                message: error.to_string(),
                hint: "change the configuration and deploy again".to_owned(),
            }),
        }
    }
}

fn refused(code: &'static [u8; 5], message: String, hint: &str) -> Verdict {
    Verdict::Refused(Refusal { code, message, hint: hint.to_owned() })
}
