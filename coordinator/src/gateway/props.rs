//! What a binding of the gateway may do: its props, which whoever deploys the bound Worker writes
//! and its code cannot change.

use pierhead_wire::limits::CALLER_BYTES_MAX;
use pierhead_wire::pg::startup::Mode;

use super::Refusal;

/// A value of JavaScript, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<Self>),
    Absent,
    Other,
}

/// What a binding says; nothing of it is required unless the Worker requires it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Props {
    /// The databases that may be used; all if absent.
    pub(crate) databases: Option<Vec<String>>,
    /// The databases used are `<database>_<role>`.
    pub(crate) role: Option<String>,
    /// The mode of its sockets.
    pub(crate) mode: Option<Mode>,
    /// The class that its sockets and leases are counted by.
    pub(crate) caller: Option<String>,
}

impl Props {
    /// Reads props. What is not understood is refused: it was meant to forbid something.
    pub(crate) fn read(fields: Vec<(String, Value)>) -> Result<Self, Refusal> {
        let mut props = Self::default();
        for (name, value) in fields {
            if value == Value::Absent {
                continue;
            }
            match name.as_str() {
                "databases" => props.databases = Some(databases(value)?),
                "role" => props.role = Some(text("role", value, "a word, like reader")?),
                "mode" => {
                    let mode = text("mode", value, MODES)?;
                    props.mode = Some(Mode::from_name(&mode).ok_or_else(|| wrong("mode", MODES))?);
                }
                "caller" => {
                    let caller = text("caller", value, CALLER)?;
                    if caller.is_empty() || caller.len() > CALLER_BYTES_MAX {
                        return Err(wrong("caller", CALLER));
                    }
                    props.caller = Some(caller);
                }
                _ => {
                    let expected = "expected databases, role, mode and caller alone";
                    return Err(misconfigured(format!("props.{name} is unknown; {expected}")));
                }
            }
        }
        Ok(props)
    }
}

const MODES: &str = "\"transaction\" or \"session\"";
const CALLER: &str = "1 to 64 bytes of text";
const NAMES: &str = "a list of names, like [\"main\"]";

fn databases(value: Value) -> Result<Vec<String>, Refusal> {
    let Value::List(values) = value else { return Err(wrong("databases", NAMES)) };
    values.into_iter().map(|value| text("databases", value, NAMES)).collect()
}

fn text(name: &str, value: Value, expected: &str) -> Result<String, Refusal> {
    match value {
        Value::Text(text) => Ok(text),
        Value::List(_) | Value::Absent | Value::Other => Err(wrong(name, expected)),
    }
}

fn wrong(name: &str, expected: &str) -> Refusal {
    misconfigured(format!("props.{name} is malformed; expected {expected}"))
}

fn misconfigured(problem: String) -> Refusal {
    Refusal {
        code: b"F0000",
        message: format!("the gateway's binding cannot be used: {problem}"),
        hint: "change the props of the binding and deploy its Worker again".into(),
    }
}
