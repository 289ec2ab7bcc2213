//! What a client wants of its socket, as its first packets say it.

use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::startup::{
    self, Mode, Names, NamesError, PROTOCOL_OPTION_PREFIX, StartUp, TermsPacket,
};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::state::Followed;

/// How the names of parameters begin that are for Pierhead itself.
const OURS: &str = "pierhead.";

/// What a packet asks for.
pub(super) enum Wish {
    /// TLS or GSS encryption: there is none in here.
    Encryption,
    Cancel(u32, Vec<u8>),
    /// Who let the client in says who it is, and how it is served.
    Terms {
        class: String,
        mode: Option<Mode>,
    },
    Session(Box<Wanted>),
}

/// The session that a client asks for.
pub(super) struct Wanted {
    pub(super) user: String,
    pub(super) settings: Followed,
    pub(super) mode: Option<Mode>,
    pub(super) minor: u16,
    /// Of the protocol, and not known here.
    pub(super) unknown: Vec<String>,
    /// Whether there is such a user and such a database. Who must log in hears of it afterwards.
    pub(super) exists: Result<(), Failure>,
}

/// Reads a packet and tells how many bytes it has; nothing while it is not whole.
pub(super) fn read(buffer: &[u8], settings: &Settings) -> Result<Option<(Wish, usize)>, Failure> {
    let malformed = |message: String| Failure::Invalid { sqlstate: SqlState::MALFORMED, message };
    let found = StartUp::read(buffer).map_err(|e| malformed(e.to_string()))?;
    let Some((packet, used)) = found else { return Ok(None) };
    let wish = match packet {
        StartUp::SslRequest | StartUp::GssRequest => Wish::Encryption,
        StartUp::Cancel { pid, secret } => Wish::Cancel(pid, secret.to_vec()),
        StartUp::Terms(TermsPacket { caller, mode }) => {
            Wish::Terms { class: caller.unwrap_or_default().to_owned(), mode }
        }
        StartUp::Start { minor, parameters } => {
            Wish::Session(Box::new(session(minor, &parameters, settings)?))
        }
    };
    Ok(Some((wish, used)))
}

/// Checks what a client wants of its session.
fn session(
    minor: u16,
    parameters: &[(&str, &str)],
    settings: &Settings,
) -> Result<Wanted, Failure> {
    let names = Names::of(parameters).map_err(|e| misnamed(&e))?;
    let mut wanted: Vec<(String, String)> = Vec::new();
    let mut unknown = Vec::new();
    for &(name, value) in parameters {
        match name {
            "user" | "database" => {}
            "options" => wanted.extend(options(value)?),
            "replication" if !matches!(value, "false" | "off" | "no" | "0") => {
                return Err(refused(
                    b"0A000",
                    "replication is not available through Pierhead",
                    "connect to the database itself",
                ));
            }
            "replication" => {}
            _ if name.starts_with(PROTOCOL_OPTION_PREFIX) => unknown.push(name.to_owned()),
            _ => wanted.push((name.to_owned(), value.to_owned())),
        }
    }
    let mode = take_mode(&mut wanted)?;
    // What every session begins with need not be set again.
    let is_default = |name: &str, value: &str| match name.to_ascii_lowercase().as_str() {
        "client_encoding" => {
            matches!(value.to_ascii_uppercase().as_str(), "UTF8" | "UTF-8" | "UNICODE")
        }
        "application_name" => value == settings.application_name,
        _ => false,
    };
    wanted.retain(|(name, value)| !is_default(name, value));
    let pairs = wanted.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let followed = Followed::from_start_up(pairs).map_err(|_| {
        refused(b"54000", "more start-up settings than may be kept", "set them later, by SET")
    })?;
    let exists = exists(&names, settings);
    let user = names.user.to_owned();
    Ok(Wanted { user, settings: followed, mode, minor, unknown, exists })
}

/// The settings in `options`, none of which may be what a parameter of that name may not be.
fn options(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let found = startup::options(text)
        .map_err(|e| refused(b"08P01", &e.to_string(), "write options as -c name=value"))?;
    for (name, _) in &found {
        startup::refuse_of_the_connection(name).map_err(|e| misnamed(&e))?;
    }
    Ok(found)
}

/// The mode that a client chooses. Of what comes twice the last counts.
fn take_mode(wanted: &mut Vec<(String, String)>) -> Result<Option<Mode>, Failure> {
    let mut mode = None;
    for (name, value) in wanted.extract_if(.., |(name, _)| is_ours(name)) {
        if !name.eq_ignore_ascii_case("pierhead.mode") {
            let message = format!("the start-up parameter \"{name}\" is not known to Pierhead");
            return Err(refused(b"42704", &message, "of its own it knows pierhead.mode"));
        }
        let Some(chosen) = Mode::from_name(&value) else {
            let message = format!("pierhead.mode cannot be \"{value}\"");
            return Err(refused(b"22023", &message, "it is transaction or session"));
        };
        mode = Some(chosen);
    }
    Ok(mode)
}

fn is_ours(name: &str) -> bool {
    name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

/// Whether user and database are those that are configured; the database by its name at the server
/// or by Pierhead's.
fn exists(names: &Names<'_>, settings: &Settings) -> Result<(), Failure> {
    let (user, database) = (names.user, names.database);
    if user != settings.user {
        let message = format!("user \"{user}\" is not the one that is configured");
        let hint = format!("sockets of database \"{}\" use \"{}\"", settings.name, settings.user);
        return Err(refused(b"28000", &message, &hint));
    }
    if database != settings.database && database != settings.name {
        let message = format!("database \"{database}\" is not configured");
        let hint = format!("this is \"{}\", also called \"{}\"", settings.name, settings.database);
        return Err(refused(b"3D000", &message, &hint));
    }
    Ok(())
}

fn misnamed(error: &NamesError) -> Failure {
    refused(error.sqlstate(), &error.to_string(), error.hint())
}

pub(super) fn refused(code: &[u8; 5], message: &str, hint: &str) -> Failure {
    Failure::StartUpRefused {
        sqlstate: SqlState::literal(code),
        message: message.into(),
        hint: hint.into(),
    }
}
