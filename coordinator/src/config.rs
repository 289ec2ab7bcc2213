//! From a database's configuration to the engine's settings, and to how a stream is dialled.

use std::time::Duration;

use pierhead_config::{AccessToken, DatabaseConfig, Reset, Tls, Tunnel};
use pierhead_engine::time::Millis;
use pierhead_engine::{ResetPolicy, Settings, Way};

/// How a stream to the database is opened.
#[derive(Debug)]
pub(crate) enum Dial {
    /// One outgoing WebSocket through a cloudflared tunnel.
    WebSocket { url: String, access: Option<AccessToken> },
    /// TCP by the platform's `connect()`.
    Tcp { host: String, port: u16, tls: TcpTls },
}

/// TLS on a stream that is dialled directly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TcpTls {
    Off,
    On,
    StartTls,
}

/// Splits a configuration into what the engine must know and what only the shell does. `verbose`
/// makes the engine log every step of every session. Nothing if an agent is the only tunnel.
pub(crate) fn split(config: DatabaseConfig, verbose: bool) -> Option<(Settings, Dial)> {
    let dial = config.tunnels.into_iter().find_map(|tunnel| match tunnel {
        Tunnel::Agent => None,
        Tunnel::Cloudflared { url, access } => Some(Dial::WebSocket { url, access }),
        Tunnel::Direct { host, port, tls } => {
            let tls = match tls {
                Tls::Off => TcpTls::Off,
                Tls::On => TcpTls::On,
                Tls::StartTls => TcpTls::StartTls,
            };
            Some(Dial::Tcp { host, port, tls })
        }
    })?;
    let settings = Settings {
        user: config.user,
        password: config.password.map(|secret| secret.expose().to_owned()),
        database: config.database,
        application_name: config.application_name,
        pool_size: config.pool_size as usize,
        max_waiters: config.max_waiters as usize,
        wait_timeout: millis(config.wait_timeout),
        query_timeout: millis(config.query_timeout),
        connect_timeout: millis(config.connect_timeout),
        idle_timeout: millis(config.idle_timeout),
        max_lifetime: millis(config.max_lifetime),
        reset: match config.reset {
            Reset::Detected => ResetPolicy::Detected,
            Reset::Always => ResetPolicy::Always,
        },
        start_tls: matches!(dial, Dial::Tcp { tls: TcpTls::StartTls, .. }),
        ways: vec![match dial {
            Dial::Tcp { .. } => Way::Direct,
            Dial::WebSocket { .. } => Way::Cloudflared,
        }],
        verbose,
        ..Settings::default()
    };
    Some((settings, dial))
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
