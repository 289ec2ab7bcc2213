//! The emulated tunnel as a program, to try things by hand: flags to start it, commands on
//! standard input while it runs.

use std::io::{BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pierhead_tests::net::{Answer, Counters, Knobs};
use pierhead_tests::process::raise_open_files;
use pierhead_tests::proxy::TcpProxy;
use pierhead_tests::tunnel::{Access, Tunnel, TunnelConfig};

const HELP: &str = "\
emulated-tunnel --target HOST:PORT [flags]

  --listen ADDR:PORT        where to listen (default 127.0.0.1:0, a free port)
  --tcp                     a plain TCP proxy instead of a WebSocket tunnel
  --access ID:SECRET        the service token that clients must present
  --round-trip MS           emulated round trip (default 0)
  --handshake-delay MS      extra time for each handshake (default 0)
  --handshake-trips N       round trips of a handshake (default 3, with --tcp 1)
  --max-handshakes N        violation when more are in flight (default 6)
  --max-streams N           violation when more are open (default: no limit)
  --ping SECONDS            time between pings (default 54)

Commands on standard input:
  rtt MS | delay MS | pause | resume | cut [BYTES] | refuse 302|502|drop | accept | stats | quit
";

fn main() -> Result<()> {
    let mut out = std::io::stdout();
    let Some(options) = Options::parse(std::env::args().skip(1))? else {
        out.write_all(HELP.as_bytes())?;
        return Ok(());
    };
    raise_open_files();
    let path = options.start()?;
    let (addr, knobs, counters) = path.parts();
    knobs.set(|s| {
        s.round_trip = options.round_trip;
        s.handshake_delay = options.handshake_delay;
        s.handshake_trips = options.handshake_trips.unwrap_or(s.handshake_trips);
    });
    writeln!(out, "listening on {addr}")?;
    for line in std::io::stdin().lock().lines() {
        match command(line?.trim(), knobs, counters) {
            Ok(Some(answer)) => writeln!(out, "{answer}")?,
            Ok(None) => return Ok(()),
            Err(error) => writeln!(out, "{error:#}")?,
        }
    }
    // Without a terminal there is nobody to give commands: run until killed.
    loop {
        std::thread::park();
    }
}

/// Obeys one line; `None` to quit.
fn command(line: &str, knobs: &Knobs, counters: &Counters) -> Result<Option<String>> {
    let (name, value) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        "rtt" => knobs.set_round_trip_ms(number(value)?),
        "delay" => {
            let delay = Duration::from_millis(number(value)?);
            knobs.set(|s| s.handshake_delay = delay);
        }
        "pause" => knobs.pause(),
        "resume" => knobs.resume(),
        "cut" if value.is_empty() => knobs.cut_all(),
        "cut" => knobs.cut_after(number(value)?),
        "refuse" => knobs.answer(match value {
            "302" => Answer::Redirect,
            "drop" => Answer::Drop,
            status => Answer::Status(number(status)?.try_into()?),
        }),
        "accept" => knobs.answer(Answer::Accept),
        "stats" => return Ok(Some(format!("{:#?}", counters.stats()))),
        "quit" => return Ok(None),
        "" => {}
        other => bail!("no command `{other}`; see --help"),
    }
    Ok(Some("ok".into()))
}

enum Path {
    Tunnel(Tunnel),
    Tcp(TcpProxy),
}

impl Path {
    fn parts(&self) -> (SocketAddr, &Knobs, &Counters) {
        match self {
            Self::Tunnel(tunnel) => (tunnel.addr(), tunnel.knobs(), tunnel.counters()),
            Self::Tcp(proxy) => (proxy.addr(), proxy.knobs(), proxy.counters()),
        }
    }
}

struct Options {
    config: TunnelConfig,
    tcp: bool,
    round_trip: Duration,
    handshake_delay: Duration,
    handshake_trips: Option<u32>,
}

impl Options {
    /// `None`: help was asked for.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut options = Self {
            config: TunnelConfig::new(nowhere),
            tcp: false,
            round_trip: Duration::ZERO,
            handshake_delay: Duration::ZERO,
            handshake_trips: None,
        };
        while let Some(flag) = arguments.next() {
            if flag == "--help" || flag == "-h" {
                return Ok(None);
            }
            if flag == "--tcp" {
                options.tcp = true;
                continue;
            }
            let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
            options.take(&flag, &value).with_context(|| format!("{flag}, see --help"))?;
        }
        if options.config.target == nowhere {
            bail!("--target HOST:PORT is needed, see --help");
        }
        Ok(Some(options))
    }

    fn take(&mut self, flag: &str, value: &str) -> Result<()> {
        let config = &mut self.config;
        match flag {
            "--target" => config.target = value.parse().context("an IP address and a port")?,
            "--listen" => config.listen = value.parse().context("an IP address and a port")?,
            "--access" => {
                let (id, secret) = value.split_once(':').context("needs ID:SECRET")?;
                config.access = Some(Access { client_id: id.into(), client_secret: secret.into() });
            }
            "--round-trip" => self.round_trip = Duration::from_millis(number(value)?),
            "--handshake-delay" => self.handshake_delay = Duration::from_millis(number(value)?),
            "--handshake-trips" => self.handshake_trips = Some(number(value)?.try_into()?),
            "--max-handshakes" => config.limits.handshakes = Some(number(value)?.try_into()?),
            "--max-streams" => config.limits.streams = Some(number(value)?.try_into()?),
            "--ping" => config.ping = Duration::from_secs(number(value)?.max(1)),
            _ => bail!("no such flag"),
        }
        Ok(())
    }

    fn start(&self) -> Result<Path> {
        let config = self.config.clone();
        Ok(if self.tcp {
            Path::Tcp(TcpProxy::start_on(config.listen, config.target, config.limits)?)
        } else {
            Path::Tunnel(Tunnel::start(config)?)
        })
    }
}

fn number(value: &str) -> Result<u64> {
    value.parse().with_context(|| format!("`{value}` is not a whole number"))
}
