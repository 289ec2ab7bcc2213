//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, without channel binding: the tunnel ends
//! TLS, so there is no channel of ours to bind to.
//!
//! ```text
//! start ──client-first──▶ First ──server-first / client-final──▶ Final ──server-final──▶ proved
//! ```
//!
//! The proof of the server is not optional: a server that cannot prove that it knows the password
//! is not the database.

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::limits::{SCRAM_ITERATIONS_MAX, SCRAM_KEYS_KEPT};

/// The mechanism's name.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

pub(super) type Key = [u8; 32];

/// Keys derived from the password with one salt and number of rounds.
#[derive(Clone)]
pub(super) struct Keys {
    salt: Vec<u8>,
    iterations: u32,
    pub(super) client: Key,
    pub(super) server: Key,
}

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyCache({} kept)", self.kept.len())
    }
}

/// Derived keys of one credential, newest last, so that 4,096 rounds of hashing are paid once and
/// not for each session.
#[derive(Default)]
pub(crate) struct KeyCache {
    kept: Vec<Keys>,
    derivations: u64,
}

impl KeyCache {
    /// How often keys were derived.
    pub(crate) fn derivations(&self) -> u64 {
        self.derivations
    }

    pub(super) fn keys(&mut self, password: &str, salt: &[u8], iterations: u32) -> Option<Keys> {
        let found = self.kept.iter().find(|k| k.salt == salt && k.iterations == iterations);
        if let Some(keys) = found {
            return Some(keys.clone());
        }
        self.derivations += 1;
        let prepared = stringprep::saslprep(password).unwrap_or(password.into());
        let salted = salted_password(prepared.as_bytes(), salt, iterations)?;
        let keys = Keys {
            salt: salt.to_vec(),
            iterations,
            client: hmac(&salted, &[b"Client Key"])?,
            server: hmac(&salted, &[b"Server Key"])?,
        };
        if self.kept.len() >= SCRAM_KEYS_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(keys.clone());
        Some(keys)
    }
}

/// Awaits the server's first message.
pub(crate) struct First {
    nonce: String,
}

/// Awaits the server's proof.
pub(crate) struct Final {
    expected: Key,
}

/// Begins; returns the client's first message.
pub(crate) fn start(entropy: [u8; 32]) -> (First, String) {
    let nonce = BASE64.encode(&entropy[..24]);
    // PostgreSQL takes the user from the start-up message and ignores the name here.
    let message = format!("n,,n=,r={nonce}");
    (First { nonce }, message)
}

impl First {
    /// Reads the server's first message; returns the client's final one.
    ///
    /// # Errors
    /// A text for people, when the message is malformed, for another nonce, or asks for too much.
    pub(crate) fn handle(
        self,
        server_first: &[u8],
        password: &str,
        cache: &mut KeyCache,
    ) -> Result<(Final, String), String> {
        let text = std::str::from_utf8(server_first).map_err(|_| malformed())?;
        let mut fields = text.split(',');
        let nonce = fields.next().and_then(|f| f.strip_prefix("r=")).ok_or_else(malformed)?;
        let salt = fields.next().and_then(|f| f.strip_prefix("s=")).ok_or_else(malformed)?;
        let rounds = fields.next().and_then(|f| f.strip_prefix("i=")).ok_or_else(malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server answered another login's nonce".into());
        }
        let salt = BASE64.decode(salt).map_err(|_| malformed())?;
        let rounds: u32 = rounds.parse().map_err(|_| malformed())?;
        if rounds == 0 || rounds > SCRAM_ITERATIONS_MAX {
            return Err(format!(
                "the server asks for {rounds} SCRAM rounds; at most {SCRAM_ITERATIONS_MAX} are done"
            ));
        }
        let keys = cache.keys(password, &salt, rounds).ok_or_else(malformed)?;
        let without_proof = format!("c=biws,r={nonce}");
        let parts: [&[u8]; 5] = [
            b"n=,r=",
            self.nonce.as_bytes(),
            b",",
            text.as_bytes(),
            &[b",", without_proof.as_bytes()].concat(),
        ];
        let stored: Key = Sha256::digest(keys.client).into();
        let signature = hmac(&stored, &parts).ok_or_else(malformed)?;
        let proof: Vec<u8> = keys.client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let expected = hmac(&keys.server, &parts).ok_or_else(malformed)?;
        Ok((Final { expected }, format!("{without_proof},p={}", BASE64.encode(proof))))
    }
}

impl Final {
    /// Checks the server's proof.
    ///
    /// # Errors
    /// A text for people, when the server did not prove that it knows the password.
    pub(crate) fn handle(self, server_final: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(server_final).map_err(|_| malformed())?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(format!("the server ended SCRAM with {error}"));
        }
        let proof = text.strip_prefix("v=").and_then(|v| v.split(',').next());
        let proof = proof.and_then(|v| BASE64.decode(v).ok()).ok_or_else(malformed)?;
        if !equal_in_constant_time(&proof, &self.expected) {
            return Err("the server does not know the password: this is not the database".into());
        }
        Ok(())
    }
}

fn malformed() -> String {
    "the server's SCRAM message is malformed".into()
}

pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Option<Key> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

/// PBKDF2 with one block of output.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Option<Key> {
    let keyed = Hmac::<Sha256>::new_from_slice(password).ok()?;
    let mut mac = keyed.clone();
    mac.update(salt);
    mac.update(&1u32.to_be_bytes());
    let mut block: Key = mac.finalize().into_bytes().into();
    let mut sum = block;
    for _ in 1..iterations {
        let mut mac = keyed.clone();
        mac.update(&block);
        block = mac.finalize().into_bytes().into();
        for (s, b) in sum.iter_mut().zip(block) {
            *s ^= b;
        }
    }
    Some(sum)
}

/// Takes the same time however much of it is equal.
pub(super) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (x, y)| black_box(all | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3, but for the name, which PostgreSQL leaves empty; so the
    /// keys are checked against it, and the exchange against a server's own arithmetic.
    #[test]
    fn keys_are_those_of_the_standard() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut cache = KeyCache::default();
        let keys = cache.keys("pencil", &salt, 4096).unwrap();
        let auth = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let stored: Key = Sha256::digest(keys.client).into();
        let signature = hmac(&stored, &[auth]).unwrap();
        let proof: Vec<u8> = keys.client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(BASE64.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let server = hmac(&keys.server, &[auth]).unwrap();
        assert_eq!(BASE64.encode(server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn keys_are_derived_once_for_one_salt() {
        let mut cache = KeyCache::default();
        for _ in 0..3 {
            let (first, _) = start([7; 32]);
            let message = format!("r={}x,s=c2FsdA==,i=10", BASE64.encode([7; 24]));
            first.handle(message.as_bytes(), "secret", &mut cache).unwrap();
        }
        assert_eq!(cache.derivations(), 1);
    }

    #[test]
    fn a_server_that_can_not_prove_itself_is_refused() {
        let mut cache = KeyCache::default();
        let nonce = BASE64.encode([7; 24]);
        let (first, _) = start([7; 32]);
        let message = format!("r={nonce}x,s=c2FsdA==,i=10");
        let (last, _) = first.handle(message.as_bytes(), "secret", &mut cache).unwrap();
        assert!(last.handle(format!("v={}", BASE64.encode([0; 32])).as_bytes()).is_err());
    }

    #[test]
    fn odd_first_messages_are_refused() {
        let nonce = BASE64.encode([7; 24]);
        for message in [
            "r=other,s=c2FsdA==,i=10".to_owned(),
            format!("r={nonce},s=c2FsdA==,i=10"),
            format!("r={nonce}x,s=%,i=10"),
            format!("r={nonce}x,s=c2FsdA==,i=0"),
            format!("r={nonce}x,s=c2FsdA==,i=999999999"),
            format!("r={nonce}x"),
            String::new(),
        ] {
            let (first, _) = start([7; 32]);
            let result = first.handle(message.as_bytes(), "secret", &mut KeyCache::default());
            assert!(result.is_err(), "{message}");
        }
    }
}
