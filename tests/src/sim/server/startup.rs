//! Start-up: the first packet, authentication, the greeting.

use super::auth::{Dialogue, Step};
use super::backend::{Backend, CANCEL_CODE, Phase, STARTUP_CODE, TLS_CODE};
use super::database::Database;
use super::reply::Failure;
use crate::sim::message::{self, put, put_report, take_cstr};

/// Request code of a request for encryption by Kerberos.
const GSS_CODE: u32 = 80_877_104;

impl Backend {
    /// Reads the first packet. False when it is not whole yet.
    pub(super) fn start_up(&mut self, db: &mut Database) -> bool {
        let Some(header) = self.input.get(..8) else { return false };
        let length = u32::from_be_bytes(header[..4].try_into().unwrap()) as usize;
        let code = u32::from_be_bytes(header[4..].try_into().unwrap());
        if self.input.len() < length {
            return false;
        }
        let packet: Vec<u8> = self.input.drain(..length.max(8)).collect();
        match code {
            TLS_CODE => self.output.push(if db.tls { b'S' } else { b'N' }),
            GSS_CODE => self.output.push(b'N'),
            CANCEL_CODE => {
                let number = |at: usize| i32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
                self.cancel = Some((number(8), number(12)));
                self.phase = Phase::Ended;
            }
            STARTUP_CODE => self.greet(db, &packet[8..]),
            _ if code >> 16 == STARTUP_CODE >> 16 => {
                put(&mut self.output, b'v', |out| {
                    out.extend(STARTUP_CODE.to_be_bytes());
                    out.extend([0; 4]);
                });
                self.greet(db, &packet[8..]);
            }
            _ => {
                db.seen.garbage += 1;
                self.refuse(db, "0A000", "unsupported frontend protocol");
            }
        }
        self.session.urgent = self.output.len();
        self.release();
        true
    }

    fn greet(&mut self, db: &mut Database, mut parameters: &[u8]) {
        let mut user = String::new();
        let mut settings = Vec::new();
        while parameters.first().is_some_and(|b| *b != 0) {
            let name = take_cstr(&mut parameters);
            let value = take_cstr(&mut parameters);
            match name.as_str() {
                "user" => user = value,
                "database" => self.database = value,
                "options" => settings.extend(options(&value)),
                _ => settings.push((name, value)),
            }
        }
        if db.starting {
            return self.refuse(db, "57P03", "the database system is starting up");
        }
        if user != db.user {
            return self.refuse(db, "28000", "no such role");
        }
        if !db.refuses_late && !self.take_place(db) {
            return;
        }
        self.chosen = settings;
        match Dialogue::begin(db.auth, db.salt, self.salt, &mut self.output) {
            Some(dialogue) => self.phase = Phase::Auth(dialogue),
            None => self.welcome(db),
        }
    }

    /// Reads one answer. False when it is not whole yet.
    pub(super) fn authenticate(&mut self, db: &mut Database) -> bool {
        let mut input = self.input.as_slice();
        let Some(message) = message::take(&mut input) else { return false };
        let body = message.body.to_vec();
        let tag = message.tag;
        self.input = input.to_vec();
        let Phase::Auth(dialogue) = std::mem::replace(&mut self.phase, Phase::Ended) else {
            return false;
        };
        if tag != b'p' {
            self.refuse(db, "08P01", "expected a password");
            return false;
        }
        match dialogue.answer(&db.user, &db.password, &body, &mut self.output) {
            Step::More(dialogue) => self.phase = Phase::Auth(dialogue),
            Step::Accepted => self.welcome(db),
            Step::Denied(why) => self.refuse(db, "28P01", why),
        }
        self.session.urgent = self.output.len();
        self.release();
        true
    }

    fn take_place(&mut self, db: &mut Database) -> bool {
        if db.connections >= db.max_connections {
            db.seen.refused_full += 1;
            self.refuse(db, "53300", "sorry, too many clients already");
            return false;
        }
        db.connections += 1;
        self.counted = true;
        true
    }

    fn welcome(&mut self, db: &mut Database) {
        if !self.counted && !self.take_place(db) {
            return;
        }
        if let Err(failure) = self.choose_settings(db) {
            return self.refuse(db, &failure.sqlstate, failure.text);
        }
        db.seen.logins += 1;
        let out = &mut self.output;
        put(out, b'R', |out| out.extend(0u32.to_be_bytes()));
        self.session.settings.greet(db.greets_fully, out);
        put(out, b'K', |out| {
            out.extend(self.process.to_be_bytes());
            out.extend(self.secret.to_be_bytes());
        });
        put(out, b'Z', |out| out.push(b'I'));
        self.phase = Phase::Ready;
    }

    fn choose_settings(&mut self, db: &Database) -> Result<(), Failure> {
        let settings = &mut self.session.settings;
        settings.fix("server_version", &format!("{}.0", db.version));
        settings.fix("session_authorization", &db.user);
        for (name, value) in std::mem::take(&mut self.chosen) {
            settings.start_with(&name, &value)?;
        }
        Ok(())
    }

    fn refuse(&mut self, db: &mut Database, sqlstate: &str, text: &str) {
        put_report(&mut self.output, b'E', "FATAL", sqlstate, text);
        self.end(db);
    }
}

/// The settings in `-c name=value` and `--name=value`.
fn options(text: &str) -> Vec<(String, String)> {
    let words = text.split_whitespace().filter(|word| *word != "-c");
    let pairs = words.filter_map(|word| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        word.split_once('=')
    });
    pairs.map(|(name, value)| (name.replace('-', "_"), value.to_owned())).collect()
}
