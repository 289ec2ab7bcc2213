//! The server's half of authentication, by the book: the engine's half must really be right.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::sim::message::{put, put_cstr, take_cstr};

/// How the server wants to be convinced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Not at all.
    Trust,
    /// The password itself.
    Cleartext,
    /// The salted hash of old.
    Md5,
    /// SCRAM-SHA-256, with this many iterations.
    Scram(u32),
}

/// One dialogue.
#[derive(Debug)]
pub(super) enum Dialogue {
    /// Waits for the password.
    Cleartext,
    /// Waits for the hash.
    Md5([u8; 4]),
    /// Waits for the client's first message.
    ScramFirst { salt: [u8; 16], nonce: [u8; 16], iterations: u32 },
    /// Waits for the client's proof.
    ScramFinal { salt: [u8; 16], iterations: u32, nonce: String, first_bare: String, first: String },
}

/// What a message of the client led to.
#[derive(Debug)]
pub(super) enum Step {
    /// The dialogue goes on.
    More(Dialogue),
    /// Welcome.
    Accepted,
    /// The password is wrong, or the message was; why.
    Denied(&'static str),
}

impl Dialogue {
    /// Asks the first question; `None` when there is none. `nonce` must differ between sessions.
    pub(super) fn begin(
        method: Method,
        salt: [u8; 16],
        nonce: [u8; 16],
        out: &mut Vec<u8>,
    ) -> Option<Self> {
        match method {
            Method::Trust => None,
            Method::Cleartext => {
                put(out, b'R', |out| out.extend(3u32.to_be_bytes()));
                Some(Self::Cleartext)
            }
            Method::Md5 => {
                let salt = [nonce[0], nonce[1], nonce[2], nonce[3]];
                put(out, b'R', |out| {
                    out.extend(5u32.to_be_bytes());
                    out.extend(salt);
                });
                Some(Self::Md5(salt))
            }
            Method::Scram(iterations) => {
                put(out, b'R', |out| {
                    out.extend(10u32.to_be_bytes());
                    put_cstr(out, "SCRAM-SHA-256");
                    out.push(0);
                });
                Some(Self::ScramFirst { salt, nonce, iterations })
            }
        }
    }

    /// Goes on with the body of one `p` message.
    pub(super) fn answer(self, user: &str, password: &str, body: &[u8], out: &mut Vec<u8>) -> Step {
        let mut body = body;
        match self {
            Self::Cleartext => decide(take_cstr(&mut body) == password),
            Self::Md5(salt) => {
                let hash = postgres_protocol::authentication::md5_hash(
                    user.as_bytes(),
                    password.as_bytes(),
                    salt,
                );
                decide(take_cstr(&mut body) == hash)
            }
            Self::ScramFirst { salt, nonce, iterations } => {
                scram_first(salt, nonce, iterations, body, out)
            }
            Self::ScramFinal { salt, iterations, nonce, first_bare, first } => {
                let exchange = ScramExchange { salt, iterations, nonce, first_bare, first };
                exchange.finish(password, body, out)
            }
        }
    }
}

fn decide(right: bool) -> Step {
    if right { Step::Accepted } else { Step::Denied("the password is wrong") }
}

fn scram_first(
    salt: [u8; 16],
    nonce: [u8; 16],
    iterations: u32,
    mut body: &[u8],
    out: &mut Vec<u8>,
) -> Step {
    if take_cstr(&mut body) != "SCRAM-SHA-256" || body.len() < 4 {
        return Step::Denied("the mechanism was not offered");
    }
    let text = String::from_utf8_lossy(&body[4..]).into_owned();
    let Some(first_bare) = text.strip_prefix("n,,").or_else(|| text.strip_prefix("y,,")) else {
        return Step::Denied("the client's first message has no header");
    };
    let Some(theirs) = first_bare.split(',').find_map(|part| part.strip_prefix("r=")) else {
        return Step::Denied("the client sent no nonce");
    };
    let nonce = format!("{theirs}{}", BASE64.encode(&nonce[..9]));
    let first = format!("r={nonce},s={},i={iterations}", BASE64.encode(salt));
    put(out, b'R', |out| {
        out.extend(11u32.to_be_bytes());
        out.extend(first.as_bytes());
    });
    let first_bare = first_bare.to_owned();
    Step::More(Dialogue::ScramFinal { salt, iterations, nonce, first_bare, first })
}

struct ScramExchange {
    salt: [u8; 16],
    iterations: u32,
    nonce: String,
    first_bare: String,
    first: String,
}

impl ScramExchange {
    fn finish(&self, password: &str, body: &[u8], out: &mut Vec<u8>) -> Step {
        let text = String::from_utf8_lossy(body).into_owned();
        let Some((without_proof, proof)) = text.rsplit_once(",p=") else {
            return Step::Denied("the client sent no proof");
        };
        let header_right = ["c=biws", "c=eSws"].iter().any(|c| without_proof.starts_with(c));
        if !header_right || !without_proof.ends_with(&format!(",r={}", self.nonce)) {
            return Step::Denied("the client's last message does not fit the first");
        }
        let salted = salted_password(password.as_bytes(), &self.salt, self.iterations);
        let client_key = mac(&salted, b"Client Key");
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let signed = format!("{},{},{without_proof}", self.first_bare, self.first);
        let signature = mac(&stored_key, signed.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        if BASE64.decode(proof).ok() != Some(expected) {
            return Step::Denied("the password is wrong");
        }
        let ours = mac(&mac(&salted, b"Server Key"), signed.as_bytes());
        put(out, b'R', |out| {
            out.extend(12u32.to_be_bytes());
            out.extend(format!("v={}", BASE64.encode(ours)).as_bytes());
        });
        Step::Accepted
    }
}

fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut block = salt.to_vec();
    block.extend(1u32.to_be_bytes());
    let mut last = mac(password, &block);
    let mut all = last;
    for _ in 1..iterations {
        last = mac(password, &last);
        all.iter_mut().zip(last).for_each(|(a, b)| *a ^= b);
    }
    all
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().into()
}
