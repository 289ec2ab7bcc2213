//! The emulated tunnel against a TCP server that sends back what it gets.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Access, MAX_FRAME, Tunnel, TunnelConfig};
use crate::net::{Answer, Limits, Server};
use crate::proxy::TcpProxy;
use crate::websocket::{BINARY, CLOSE, Client, Message, Refused, TEXT};

fn echo() -> Server {
    Server::start("echo", (Ipv4Addr::LOCALHOST, 0).into(), |socket| async move {
        let (mut read, mut write) = socket.into_split();
        tokio::io::copy(&mut read, &mut write).await.ok();
    })
    .unwrap()
}

fn tunnel(target: SocketAddr) -> Tunnel {
    Tunnel::start(TunnelConfig::new(target)).unwrap()
}

async fn connect(tunnel: &Tunnel) -> Client {
    Client::connect(tunnel.addr(), "/", &[]).await.unwrap()
}

async fn refused(tunnel: &Tunnel, headers: &[(&str, &str)]) -> Refused {
    let error = Client::connect(tunnel.addr(), "/", headers).await.unwrap_err();
    error.downcast::<Refused>().unwrap()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn carries_bytes_in_small_binary_frames() {
    let echo = echo();
    let tunnel = tunnel(echo.addr());
    let mut client = connect(&tunnel).await;
    let sent: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    for part in sent.chunks(MAX_FRAME) {
        client.send(BINARY, part).await.unwrap();
    }
    let mut got = Vec::new();
    while got.len() < sent.len() {
        let Some(Message::Binary { payload, .. }) = client.receive().await.unwrap() else {
            panic!("the stream ended");
        };
        assert!(payload.len() <= MAX_FRAME);
        got.extend_from_slice(&payload);
    }
    assert_eq!(got, sent);
    tunnel.assert_clean();
    let stats = tunnel.stats();
    assert_eq!((stats.bytes_from_client, stats.bytes_to_client), (100_000, 100_000));
    assert_eq!(stats.frames_from_client, 7);
}

#[tokio::test]
async fn truncates_long_frames_and_discards_text() {
    let echo = echo();
    let tunnel = tunnel(echo.addr());
    let mut client = connect(&tunnel).await;
    client.send(TEXT, b"nobody reads this").await.unwrap();
    client.send(BINARY, &[1; MAX_FRAME + 1]).await.unwrap();
    client.send(BINARY, &[2; 10]).await.unwrap();
    let got = client.receive_bytes(MAX_FRAME + 10).await.unwrap();
    assert_eq!(got[MAX_FRAME - 1..MAX_FRAME + 1], [1, 2]);
    let stats = tunnel.stats();
    assert_eq!((stats.truncated_frames, stats.text_frames), (1, 1));
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| tunnel.assert_clean()));
    assert!(caught.is_err());
}

#[tokio::test]
async fn the_database_is_dialled_before_the_upgrade() {
    let nobody = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = nobody.local_addr().unwrap();
    drop(nobody);
    let tunnel = tunnel(target);
    assert_eq!(refused(&tunnel, &[]).await.status, 502);
    let stats = tunnel.stats();
    assert_eq!((stats.dial_failures, stats.refused, stats.streams_total), (1, 1, 0));
}

#[tokio::test]
async fn checks_the_service_token_and_obeys_the_answer_knob() {
    let echo = echo();
    let mut config = TunnelConfig::new(echo.addr());
    config.access = Some(Access { client_id: "id".into(), client_secret: "secret".into() });
    let tunnel = Tunnel::start(config).unwrap();
    let right = [("Cf-Access-Client-Id", "id"), ("Cf-Access-Client-Secret", "secret")];
    for wrong in [&[][..], &right[..1], &[right[0], ("Cf-Access-Client-Secret", "Secret")]] {
        let refused = refused(&tunnel, wrong).await;
        assert_eq!(refused.status, 302);
        assert!(refused.location.unwrap().contains("/cdn-cgi/access/login"));
    }
    let mut client = Client::connect(tunnel.addr(), "/", &right).await.unwrap();
    client.send(BINARY, b"hello").await.unwrap();
    assert_eq!(client.receive_bytes(5).await.unwrap(), "hello");

    tunnel.knobs().answer(Answer::Status(530));
    assert_eq!(refused(&tunnel, &right).await.status, 530);
    tunnel.knobs().answer(Answer::Redirect);
    assert_eq!(refused(&tunnel, &right).await.status, 302);
    tunnel.knobs().answer(Answer::Drop);
    assert!(Client::connect(tunnel.addr(), "/", &right).await.is_err());
    tunnel.knobs().answer(Answer::Accept);
    Client::connect(tunnel.addr(), "/", &right).await.unwrap();
    tunnel.assert_clean();
}

#[tokio::test]
async fn ends_without_a_close_frame_whoever_ends() {
    let echo = echo();
    let tunnel = tunnel(echo.addr());
    let mut client = connect(&tunnel).await;
    client.send(CLOSE, &1000u16.to_be_bytes()).await.unwrap();
    assert_eq!(client.receive().await.unwrap(), None);
    until("the stream's end", || tunnel.stats().streams_now == 0).await;

    let client = connect(&tunnel).await;
    assert_eq!(tunnel.stats().streams_now, 1);
    drop(client);
    until("the stream's end", || tunnel.stats().streams_now == 0).await;

    let mut client = connect(&tunnel).await;
    drop(echo);
    assert_eq!(client.receive().await.unwrap(), None);
    assert_eq!(tunnel.stats().streams_now, 0);
}

#[tokio::test]
async fn pings() {
    let echo = echo();
    let mut config = TunnelConfig::new(echo.addr());
    config.ping = Duration::from_millis(20);
    let tunnel = Tunnel::start(config).unwrap();
    let mut client = connect(&tunnel).await;
    let reading = tokio::spawn(async move { drop(client.receive().await) });
    until("pongs", || tunnel.stats().pongs >= 2).await;
    reading.abort();
}

#[tokio::test]
async fn cuts_pauses_and_resumes() {
    let echo = echo();
    let tunnel = tunnel(echo.addr());
    let mut client = connect(&tunnel).await;
    tunnel.knobs().cut_after(7);
    client.send(BINARY, b"hello").await.unwrap();
    assert_eq!(client.receive_bytes(5).await.unwrap(), "hello");
    client.send(BINARY, b"hello").await.unwrap();
    assert_eq!(client.receive_bytes(2).await.unwrap(), "he");
    assert_eq!(client.receive().await.unwrap(), None);

    let mut client = connect(&tunnel).await;
    tunnel.knobs().pause();
    client.send(BINARY, b"later").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), client.receive_bytes(5)).await;
    assert!(early.is_err());
    tunnel.knobs().resume();
    assert_eq!(client.receive_bytes(5).await.unwrap(), "later");

    tunnel.knobs().cut_all();
    assert_eq!(client.receive().await.unwrap(), None);
    assert_eq!((tunnel.stats().cuts, tunnel.stats().streams_now), (2, 0));
    connect(&tunnel).await;
}

#[tokio::test]
async fn counts_handshakes_and_streams_against_their_limits() {
    let echo = echo();
    let mut config = TunnelConfig::new(echo.addr());
    config.limits = Limits { handshakes: Some(6), streams: Some(8) };
    let tunnel = Tunnel::start(config).unwrap();
    tunnel.knobs().set(|s| s.handshake_delay = Duration::from_millis(100));
    let six: Vec<_> = (0..6).map(|_| Client::connect(tunnel.addr(), "/", &[])).collect();
    let mut open = join_all(six).await;
    tunnel.assert_clean();
    assert_eq!((tunnel.stats().handshakes_peak, tunnel.stats().handshakes_now), (6, 0));
    let seven: Vec<_> = (0..7).map(|_| Client::connect(tunnel.addr(), "/", &[])).collect();
    open.extend(join_all(seven).await);
    let stats = tunnel.stats();
    assert_eq!((stats.handshakes_peak, stats.streams_peak), (7, 13));
    assert_eq!(stats.violations.len(), 1 + 5, "{:?}", stats.violations);
}

async fn join_all(connecting: Vec<impl Future<Output = anyhow::Result<Client>>>) -> Vec<Client> {
    // In one task, so that all are under way at once.
    let mut pinned: Vec<_> = connecting.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        pinned.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(client) => {
                done.push(client.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        if pinned.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

/// Delay must not limit throughput: 20 MB one after the other take as long as their delay, not as
/// their number of chunks times the delay. Ratios only: the machine may be busy.
#[tokio::test]
async fn delay_is_a_line_not_a_brake() {
    let echo = echo();
    let tunnel = tunnel(echo.addr());
    tunnel.knobs().set_round_trip_ms(100);
    let began = Instant::now();
    let mut client = connect(&tunnel).await;
    let handshake = began.elapsed();
    assert!(handshake >= Duration::from_millis(300), "{handshake:?}");

    let began = Instant::now();
    client.send(BINARY, b"x").await.unwrap();
    client.receive_bytes(1).await.unwrap();
    let trip = began.elapsed();
    assert!(trip >= Duration::from_millis(100) && trip < handshake, "{trip:?}, {handshake:?}");

    let began = Instant::now();
    let chunks = 200;
    for _ in 0..chunks {
        client.send(BINARY, &[0; MAX_FRAME]).await.unwrap();
    }
    client.receive_bytes(chunks * MAX_FRAME).await.unwrap();
    let bulk = began.elapsed();
    assert!(bulk < Duration::from_millis(100) * chunks as u32 / 4, "{bulk:?}");
}

#[tokio::test]
async fn the_plain_proxy_has_the_same_knobs() {
    let echo = echo();
    let proxy = TcpProxy::start(echo.addr(), Limits::default()).unwrap();
    proxy.knobs().set_round_trip_ms(50);
    let began = Instant::now();
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let mut got = [0; 5];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hello");
    assert!(began.elapsed() >= Duration::from_millis(100), "one trip to connect, one for bytes");
    proxy.knobs().cut_all();
    assert_eq!(client.read(&mut got).await.unwrap(), 0);
    assert_eq!((proxy.stats().streams_now, proxy.stats().cuts), (0, 1));
    proxy.knobs().answer(Answer::Drop);
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(client.read(&mut got).await.unwrap(), 0);
    proxy.assert_clean();
}
