//! What all entries share: the runtime, the server, patience.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pierhead_tests::postgres::{Postgres, PostgresConfig};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// How long something may take that is about to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a story. All run in one runtime, so that they can share a server and its control connection.
pub(crate) fn live<T>(story: impl Future<Output = T>) -> T {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap()).block_on(story)
}

/// The server of all entries.
pub(crate) async fn postgres() -> Arc<Postgres> {
    static SHARED: OnceCell<Arc<Postgres>> = OnceCell::const_new();
    let start = async || {
        let settings = vec!["max_prepared_transactions=10".to_owned()];
        let config = PostgresConfig { max_connections: 300, settings, ..Default::default() };
        Arc::new(Postgres::start(config).await.unwrap())
    };
    SHARED.get_or_init(start).await.clone()
}

/// Asks until there is nothing left to wait for; `Some` is what was left when patience ended.
pub(crate) async fn until<T>(left: impl AsyncFn() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left().await?;
        if Instant::now() > deadline {
            return Some(left);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The folder of the drivers' programs.
pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("drivers").join(name)
}

/// A path that set-up has put into the environment.
pub(crate) fn installed(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    let hint = "run `cargo xtask test --drivers`, or put the output of `cargo xtask env --drivers` \
                into the environment";
    PathBuf::from(value.unwrap_or_else(|| panic!("{variable} is not set: {hint}")))
}
