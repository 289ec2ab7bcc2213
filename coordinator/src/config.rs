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

/// How a stream is dialled by each way that is dialled at all.
#[derive(Debug, Default)]
pub(crate) struct Dials(Vec<(Way, Dial)>);

impl Dials {
    #[cfg(test)]
    pub(crate) fn of(dials: impl Into<Vec<(Way, Dial)>>) -> Self {
        Self(dials.into())
    }

    /// How it is done by this way; nothing for those of agents, who dial in.
    pub(crate) fn by(&self, way: Way) -> Option<&Dial> {
        self.0.iter().find(|(other, _)| *other == way).map(|(_, dial)| dial)
    }

    fn add(&mut self, tunnel: Tunnel) -> Way {
        let (way, dial) = match tunnel {
            Tunnel::Agent => return Way::Agent,
            Tunnel::Cloudflared { url, access } => {
                (Way::Cloudflared, Dial::WebSocket { url, access })
            }
            Tunnel::Direct { host, port, tls } => {
                let tls = match tls {
                    Tls::Off => TcpTls::Off,
                    Tls::On => TcpTls::On,
                    Tls::StartTls => TcpTls::StartTls,
                };
                (Way::Direct, Dial::Tcp { host, port, tls })
            }
        };
        self.0.push((way, dial));
        way
    }
}

/// Splits a configuration into what the engine must know and what only the shell does. `verbose`
/// makes the engine log every step of every session.
pub(crate) fn split(config: DatabaseConfig, verbose: bool) -> (Settings, Dials) {
    let mut dials = Dials::default();
    let ways = config.tunnels.into_iter().map(|tunnel| dials.add(tunnel)).collect();
    let direct = dials.by(Way::Direct);
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
        start_tls: matches!(direct, Some(Dial::Tcp { tls: TcpTls::StartTls, .. })),
        ways,
        name: config.name,
        tunnel_wait: millis(config.tunnel_wait),
        verbose,
    };
    (settings, dials)
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use pierhead_config::Secrets;

    use super::*;

    #[test]
    fn keeps_the_order_of_tunnels_and_dials_all_but_the_agents() {
        let url =
            "postgres://app@db.example:6432/app?tunnel=agent,direct&tls=starttls&tunnel_wait=2s";
        let config = DatabaseConfig::parse("orders", url, &Secrets::default());
        let Ok(config) = config else { panic!("{config:?}") };
        let (settings, dials) = split(config, false);
        assert_eq!(settings.ways, [Way::Agent, Way::Direct]);
        assert_eq!((settings.name.as_str(), settings.tunnel_wait), ("orders", Millis(2_000)));
        assert!(settings.start_tls);
        assert!(matches!(dials.by(Way::Direct), Some(Dial::Tcp { port: 6432, .. })));
        assert!(dials.by(Way::Agent).is_none() && dials.by(Way::Cloudflared).is_none());
    }
}
