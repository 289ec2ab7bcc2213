//! The scene of a story: PostgreSQL and the native shell in front of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pierhead_engine::{Settings, Status};
use pierhead_tests::native::Native;
use pierhead_tests::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, NoTls};

use super::raw::Raw;
use crate::world::PATIENCE;

/// A pool in front of a server.
pub(crate) struct Scene {
    pub(crate) native: Native,
    pub(crate) postgres: Arc<Postgres>,
    /// `application_name` of the pool's sessions.
    pub(crate) application: String,
    /// The pool's role, and so its clients'.
    user: String,
}

/// The server of all stories that do not stop theirs. `trust_user` is a superuser.
pub(crate) async fn server() -> Arc<Postgres> {
    static SHARED: OnceCell<Arc<Postgres>> = OnceCell::const_new();
    let start = async || Arc::new(own_server().await);
    SHARED.get_or_init(start).await.clone()
}

/// A server of a story's own.
pub(crate) async fn own_server() -> Postgres {
    let config = PostgresConfig { max_connections: 300, ..PostgresConfig::default() };
    let postgres = Postgres::start(config).await.unwrap();
    postgres.run("alter role trust_user superuser").await.unwrap();
    postgres
}

/// Settings of a pool of so many sessions.
pub(crate) fn pool(size: usize) -> Settings {
    Settings {
        user: "scram_user".into(),
        password: Some(PASSWORD.into()),
        database: DATABASE.into(),
        pool_size: size,
        ..Settings::default()
    }
}

impl Scene {
    /// A pool of so many sessions.
    pub(crate) async fn of(size: usize) -> Self {
        Self::with(pool(size)).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let postgres = server().await;
        let address = postgres.addr();
        Self::before(postgres, settings, address)
    }

    /// In front of a server, by this address.
    pub(crate) fn before(postgres: Arc<Postgres>, settings: Settings, address: SocketAddr) -> Self {
        static SCENES: AtomicUsize = AtomicUsize::new(0);
        let application = format!("native-{}", SCENES.fetch_add(1, Ordering::Relaxed));
        let user = settings.user.clone();
        let settings = Settings { application_name: application.clone(), ..settings };
        let native = Native::start(settings, address).unwrap();
        Self { native, postgres, application, user }
    }

    /// A client in transaction mode.
    pub(crate) async fn raw(&self) -> Raw {
        Raw::connect(self.native.transaction, &self.user).await
    }

    /// A client in session mode.
    pub(crate) async fn raw_session(&self) -> Raw {
        Raw::connect(self.native.session, &self.user).await
    }

    /// A client without a pool, as a comparison.
    pub(crate) async fn direct(&self) -> Raw {
        Raw::connect(self.postgres.addr(), "trust_user").await
    }

    /// A driver's connection in transaction mode.
    pub(crate) async fn client(&self) -> Client {
        connect(self.native.transaction).await
    }

    /// The pool's sessions at the database.
    pub(crate) async fn sessions(&self) -> usize {
        self.postgres.sessions(&self.application).await.unwrap()
    }

    /// One value, asked by a superuser beside the pool.
    pub(crate) async fn control(&self, sql: &str) -> String {
        let control = self.postgres.control().await.unwrap();
        let rows = control.simple_query(sql).await.unwrap();
        let value = rows.iter().find_map(|row| {
            let tokio_postgres::SimpleQueryMessage::Row(row) = row else { return None };
            Some(row.get(0).unwrap_or("").to_owned())
        });
        value.unwrap_or_else(|| panic!("no row: {sql}"))
    }

    /// Waits until the pool's counters look so.
    pub(crate) async fn until(&self, what: &str, looks: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.native.status().await;
            if looks(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until nobody holds a session and none is on its way out.
    pub(crate) async fn until_at_rest(&self) -> Status {
        let at_rest = |s: &Status| {
            s.leased + s.resetting + s.draining + s.ending + s.waiting + s.answer_bytes == 0
        };
        let status = self.until("at rest", at_rest).await;
        assert_eq!(status.request_bytes, 0, "bytes of requests are held by nobody");
        status
    }

    /// Waits until so many of the pool's sessions are in this state at the database.
    pub(crate) async fn until_sessions_are(&self, state: &str, count: usize) {
        let sql = format!(
            "select count(*) from pg_stat_activity where application_name = '{}' and state = '{state}'",
            self.application
        );
        let deadline = Instant::now() + PATIENCE;
        while self.control(&sql).await != count.to_string() {
            assert!(Instant::now() < deadline, "never {count} sessions are {state}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Tells a story twice, directly and through a pool of one session: every reply must be the same.
/// Returns the replies.
pub(crate) async fn both(story: impl AsyncFn(&mut Raw) -> String) -> String {
    let scene = Scene::of(1).await;
    let directly = story(&mut scene.direct().await).await;
    let pooled = story(&mut scene.raw().await).await;
    assert_eq!(pooled, directly, "left through the pool, right directly");
    scene.until_at_rest().await;
    directly
}

/// A driver's connection.
pub(crate) async fn connect(address: SocketAddr) -> Client {
    let (client, connection) = Config::new()
        .host(address.ip().to_string())
        .port(address.port())
        .user("scram_user")
        .password(PASSWORD)
        .dbname(DATABASE)
        .connect_timeout(Duration::from_secs(10))
        .connect(NoTls)
        .await
        .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}
