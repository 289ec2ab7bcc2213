//! What describes a session, for a later life of the coordinator: written once, when the session
//! opens, kept by the agent, which does not look into it.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use pierhead_wire::limits::TUNNEL_BLOB_BYTES_MAX;
use sha2::{Digest, Sha256};

use crate::auth::handshake::CancelKey;
use crate::limits::CANCEL_KEY_MAX;
use crate::settings::{ResetPolicy, Settings};

/// The format of a blob; one of another format is not read.
const FORMAT: u8 = 1;

/// Names the configuration that a session was opened with: a session of another is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint(pub(crate) [u8; 8]);

impl Fingerprint {
    /// Of everything that makes a session what it is. Not of the password: changing it does not
    /// change whose session it is.
    pub(crate) fn of(settings: &Settings) -> Self {
        let mut hash = Sha256::new();
        for text in [&settings.user, &settings.database, &settings.application_name] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.update([FORMAT, u8::from(settings.reset == ResetPolicy::Always)]);
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        Self([a, b, c, d, e, f, g, h])
    }
}

/// What a session's opening has shown.
#[derive(Debug)]
pub(crate) struct Portrait {
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) cancel_key: Option<CancelKey>,
}

impl Portrait {
    /// The blob. Parameters that find no room are left out.
    pub(crate) fn encode(
        parameters: &BTreeMap<String, String>,
        cancel_key: Option<&CancelKey>,
        settings: &Settings,
        fingerprint: Fingerprint,
    ) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        out.put_slice(&fingerprint.0);
        put_text(&mut out, &settings.user);
        put_text(&mut out, &settings.database);
        let (pid, secret) = cancel_key.map_or((0, &[][..]), CancelKey::parts);
        out.put_u32(pid);
        out.put_u16(u16::try_from(secret.len()).unwrap_or_default());
        out.put_slice(secret);
        for (name, value) in parameters {
            if out.len() + 4 + name.len() + value.len() <= TUNNEL_BLOB_BYTES_MAX {
                put_text(&mut out, name);
                put_text(&mut out, value);
            }
        }
        out.truncate(TUNNEL_BLOB_BYTES_MAX);
        out.freeze()
    }

    /// Reads a blob; `None` if it is of another format or configuration, or malformed.
    pub(crate) fn decode(
        mut blob: Bytes,
        settings: &Settings,
        fingerprint: Fingerprint,
    ) -> Option<Self> {
        let mut found = [0; 8];
        if blob.try_get_u8().ok()? != FORMAT {
            return None;
        }
        blob.try_copy_to_slice(&mut found).ok()?;
        let user = take_text(&mut blob)?;
        let database = take_text(&mut blob)?;
        let same = found == fingerprint.0 && user == settings.user && database == settings.database;
        if !same && !other_configuration_is_taken() {
            return None;
        }
        let pid = blob.try_get_u32().ok()?;
        let length = usize::from(blob.try_get_u16().ok()?);
        if length > CANCEL_KEY_MAX || length > blob.len() {
            return None;
        }
        let secret = blob.split_to(length);
        let cancel_key = (!secret.is_empty()).then(|| CancelKey::new(pid, secret.to_vec()));
        let mut parameters = BTreeMap::new();
        while blob.has_remaining() {
            let name = take_text(&mut blob)?;
            crate::auth::handshake::remember(&mut parameters, &name, &take_text(&mut blob)?);
        }
        Some(Self { parameters, cancel_key })
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u16(u16::try_from(text.len()).unwrap_or_default());
    out.put_slice(text.as_bytes());
}

fn take_text(input: &mut Bytes) -> Option<String> {
    let length = usize::from(input.try_get_u16().ok()?);
    if length > input.len() {
        return None;
    }
    String::from_utf8(input.split_to(length).to_vec()).ok()
}

#[cfg(sabotage)]
fn other_configuration_is_taken() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::OtherConfiguration)
}

#[cfg(not(sabotage))]
const fn other_configuration_is_taken() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { user: "app".into(), database: "shop".into(), ..Settings::default() }
    }

    fn blob(settings: &Settings) -> Bytes {
        let parameters = BTreeMap::from([("TimeZone".to_owned(), "UTC".to_owned())]);
        let key = CancelKey::new(7, vec![1, 2, 3, 4]);
        Portrait::encode(&parameters, Some(&key), settings, Fingerprint::of(settings))
    }

    #[test]
    fn what_is_written_is_read() {
        let settings = settings();
        let read = Portrait::decode(blob(&settings), &settings, Fingerprint::of(&settings));
        let read = read.unwrap();
        assert_eq!(read.parameters["TimeZone"], "UTC");
        assert!(read.cancel_key == Some(CancelKey::new(7, vec![1, 2, 3, 4])));
    }

    #[test]
    fn another_configuration_or_a_part_is_not_read() {
        let (mine, other) = (settings(), Settings { user: "root".into(), ..settings() });
        let print = Fingerprint::of(&mine);
        assert!(Portrait::decode(blob(&other), &mine, print).is_none());
        let always = Settings { reset: ResetPolicy::Always, ..settings() };
        assert!(Portrait::decode(blob(&always), &mine, print).is_none());
        let whole = blob(&mine);
        let truncated = (0..whole.len())
            .filter(|&n| Portrait::decode(whole.slice(..n), &mine, print).is_some());
        // Only where a parameter ends is a part a blob: without that parameter.
        assert_eq!(truncated.count(), 1);
    }

    #[test]
    fn a_server_that_reports_too_much_still_fits() {
        let settings = settings();
        let parameters = (0..60).map(|n| (format!("p{n:02}"), "x".repeat(1000))).collect();
        let print = Fingerprint::of(&settings);
        let blob = Portrait::encode(&parameters, None, &settings, print);
        assert!(blob.len() <= TUNNEL_BLOB_BYTES_MAX);
        let read = Portrait::decode(blob, &settings, print).unwrap();
        assert_eq!((read.parameters.len(), read.cancel_key.is_none()), (4, true));
    }
}
