//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side: what sockets log in with, where a password
//! is set for them.
//!
//! ```text
//! AuthenticationSASL ──client-first──▶ Final ──client-final──▶ passed, or refused
//! ```
//!
//! A user that is not the configured one is asked in the same way, with a salt that is always the
//! same for the same name, and refused at the end: nobody learns which users there are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use pierhead_wire::pg::scan::Message;
use pierhead_wire::pg::{backend, frontend};
use sha2::{Digest, Sha256};

use super::scram::{self, Key, KeyCache, Keys, equal_in_constant_time, hmac};
use crate::limits::SCRAM_ITERATIONS;
use crate::rng::Rng;
use crate::settings::Settings;

/// Bytes of a salt, as many as PostgreSQL makes.
const SALT_BYTES: usize = 16;
const MALFORMED: &str = "malformed SCRAM message of the client";
/// Bytes of our part of the nonce.
const NONCE_BYTES: usize = 18;

/// What all logins of one coordinator have in common.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Salts are made of it: other ones in each life of the coordinator.
    secret: Option<Key>,
    /// Derived once, at the first login.
    keys: KeyCache,
}

impl Guard {
    fn salt(&mut self, user: &str, rng: &mut Rng) -> Vec<u8> {
        let secret = self.secret.get_or_insert_with(|| rng.bytes());
        let mut salt = hmac(secret, &[user.as_bytes()]).unwrap_or_default().to_vec();
        salt.truncate(SALT_BYTES);
        salt
    }

    /// The configured user's keys, whoever logs in: so it takes the same time.
    fn keys(&mut self, settings: &Settings, rng: &mut Rng) -> Option<Keys> {
        let salt = self.salt(&settings.user, rng);
        let password = settings.socket_password.as_deref().unwrap_or_default();
        self.keys.keys(password, &salt, SCRAM_ITERATIONS)
    }
}

/// One socket's login.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    awaits: Awaits,
}

#[derive(Debug)]
enum Awaits {
    First,
    Final { header: String, nonce: String, messages: String },
}

/// What becomes of a login.
#[derive(Debug)]
pub(crate) enum Progress {
    /// This is to be said, and more must come.
    More(Bytes),
    /// This is to be said, and the client is who it says.
    Passed(Bytes),
}

/// Why a login is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is none of the protocol's.
    Malformed(&'static str),
    /// User or password.
    Password,
}

impl Login {
    /// Begins; returns what is to be said.
    pub(crate) fn begin(user: &str) -> (Self, Bytes) {
        let mut out = BytesMut::new();
        backend::authentication_sasl(&[scram::MECHANISM], &mut out);
        (Self { user: user.into(), awaits: Awaits::First }, out.freeze())
    }

    /// Reads a message with a password, of which the client says two.
    pub(crate) fn handle(
        &mut self,
        message: &Message<impl AsRef<[u8]>>,
        guard: &mut Guard,
        settings: &Settings,
        rng: &mut Rng,
    ) -> Result<Progress, Wrong> {
        match std::mem::replace(&mut self.awaits, Awaits::First) {
            Awaits::First => self.first(message, guard, settings, rng),
            Awaits::Final { header, nonce, messages } => {
                let keys = guard.keys(settings, rng).ok_or(Wrong::Password)?;
                let known = self.user == settings.user;
                last(message.body(), &header, &nonce, &messages, &keys, known)
            }
        }
    }

    fn first(
        &mut self,
        message: &Message<impl AsRef<[u8]>>,
        guard: &mut Guard,
        settings: &Settings,
        rng: &mut Rng,
    ) -> Result<Progress, Wrong> {
        let (header, bare, theirs) = client_first(message)?;
        // Ahead of the answer, and for every user: the first login of all is the one that takes
        // longer, and that says nothing about its user.
        guard.keys(settings, rng).ok_or(Wrong::Password)?;
        let salt = BASE64.encode(guard.salt(&self.user, rng));
        let ours = rng.bytes();
        let ours = BASE64.encode(ours.get(..NONCE_BYTES).unwrap_or_default());
        let nonce = format!("{theirs}{ours}");
        let server_first = format!("r={nonce},s={salt},i={SCRAM_ITERATIONS}");
        let mut out = BytesMut::new();
        backend::authentication_sasl_continue(server_first.as_bytes(), &mut out);
        let messages = format!("{bare},{server_first}");
        self.awaits = Awaits::Final { header, nonce, messages };
        Ok(Progress::More(out.freeze()))
    }
}

/// Reads a `SASLInitialResponse`: the header as it must come back, the message without it, and the
/// client's nonce.
fn client_first<B: AsRef<[u8]>>(message: &Message<B>) -> Result<(String, &str, &str), Wrong> {
    let malformed = Wrong::Malformed(MALFORMED);
    let Some((mechanism, text)) = frontend::sasl_initial_response(message) else {
        return Err(Wrong::Malformed("only SCRAM-SHA-256 is accepted, not a plain password"));
    };
    let text = std::str::from_utf8(text).map_err(|_| Wrong::Malformed(MALFORMED))?;
    if mechanism != scram::MECHANISM.as_bytes() {
        return Err(Wrong::Malformed("client selected an invalid SASL authentication mechanism"));
    }
    let mut parts = text.splitn(3, ',');
    let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed);
    };
    if !matches!(flag, "n" | "y") {
        return Err(Wrong::Malformed("channel binding is not available through Pierhead"));
    }
    if !authzid.is_empty() {
        return Err(Wrong::Malformed("a SCRAM authorization identity is not supported"));
    }
    let mut fields = bare.split(',');
    let named = fields.next().is_some_and(|name| name.starts_with("n="));
    let nonce = fields.next().and_then(|nonce| nonce.strip_prefix("r="));
    match nonce.filter(|nonce| named && !nonce.is_empty()) {
        Some(nonce) if nonce.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok((BASE64.encode(format!("{flag},,")), bare, nonce))
        }
        _ => Err(malformed),
    }
}

/// Checks the client's proof, and gives ours.
fn last(
    body: &[u8],
    header: &str,
    nonce: &str,
    messages: &str,
    keys: &Keys,
    known: bool,
) -> Result<Progress, Wrong> {
    let malformed = || Wrong::Malformed(MALFORMED);
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let (unproved, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
    let rest = unproved.strip_prefix(&format!("c={header},r={nonce}")).ok_or_else(malformed)?;
    if !(rest.is_empty() || rest.starts_with(',')) {
        return Err(malformed());
    }
    let proof = BASE64.decode(proof).map_err(|_| malformed())?;
    let all: [&[u8]; 3] = [messages.as_bytes(), b",", unproved.as_bytes()];
    let stored: Key = Sha256::digest(keys.client).into();
    let signature = hmac(&stored, &all).ok_or(Wrong::Password)?;
    let theirs: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
    let right = equal_in_constant_time(&Sha256::digest(theirs), &stored);
    if !(right & known & (proof.len() == signature.len())) {
        return Err(Wrong::Password);
    }
    let ours = hmac(&keys.server, &all).ok_or(Wrong::Password)?;
    let mut out = BytesMut::new();
    let text = format!("v={}", BASE64.encode(ours));
    backend::authentication_sasl_final(text.as_bytes(), &mut out);
    Ok(Progress::Passed(out.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_standards_own_login_passes() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = KeyCache::default().keys("pencil", &salt, 4096).unwrap();
        let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let message = initial(first);
        let (header, bare, theirs) = client_first(&message).unwrap();
        assert_eq!((header.as_str(), theirs), ("biws", "rOprNGfwEbeRWgbNEkqO"));
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let messages = format!("{bare},r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let check = |proof: &str, known| {
            let text = format!("c=biws,r={nonce},p={proof}");
            last(text.as_bytes(), &header, nonce, &messages, &keys, known)
        };
        let right = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let Ok(Progress::Passed(said)) = check(right, true) else { panic!("refused") };
        assert!(said.ends_with(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert_eq!(check(right, false).unwrap_err(), Wrong::Password);
        let wrong = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=";
        for proof in [wrong, "", "dHzb"] {
            assert_eq!(check(proof, true).unwrap_err(), Wrong::Password, "{proof}");
        }
    }

    fn initial(text: &str) -> Message {
        let length = u32::try_from(text.len()).unwrap();
        password(&[b"SCRAM-SHA-256\0", &length.to_be_bytes()[..], text.as_bytes()].concat())
    }

    fn password(body: &[u8]) -> Message {
        Message { tag: b'p', raw: [b"p\0\0\0\0", body].concat().into() }
    }

    #[test]
    fn odd_first_messages_are_refused() {
        for text in [
            "",
            "n",
            "n,,",
            "n,,n=",
            "n,,n=,r=",
            "n,,r=abc",
            "n,,m=x,n=,r=abc",
            "n,a=x,n=,r=abc",
            "p=tls-unique,,n=,r=abc",
            "x,,n=,r=abc",
            "n,,n=,r=\u{e4}",
            "n,,n=,r=a b",
        ] {
            assert!(client_first(&initial(text)).is_err(), "{text}");
        }
        assert!(client_first(&initial("y,,n=,r=abc,x=1")).is_ok());
        assert!(client_first(&password(b"secret\0")).is_err(), "a plain password");
        assert!(
            client_first(&password(b"SCRAM-SHA-256\0\0\0\0\x09n,,n=,r=abc")).is_err(),
            "another length"
        );
        assert!(client_first(&password(b"PLAIN\0\0\0\0\x0bn,,n=,r=abc")).is_err());
    }

    #[test]
    fn an_unknown_user_has_a_salt_of_its_own_that_stays() {
        let (mut guard, mut rng) = (Guard::default(), Rng::new([3; 32]));
        let app = guard.salt("app", &mut rng);
        let root = guard.salt("root", &mut rng);
        assert!(app != root && app.len() == SALT_BYTES);
        assert_eq!(guard.salt("root", &mut rng), root);
    }
}
