//! `--keep`: everything stays, and can be called.

use anyhow::Result;
use pierhead_tests::postgres::{DATABASE, ROLES};
use pierhead_tests::show::{FAR_MS, QUESTION, Stage};

/// Says what to call and waits; Ctrl-C drops this future.
pub(crate) async fn run(stage: &Stage) -> Result<()> {
    stage.set_round_trip_ms(FAR_MS);
    let worker = |name: &str| stage.workerd().addr(name);
    let (user, _) = ROLES[0];
    println!("Everything keeps running until Ctrl-C, the database {FAR_MS} ms away. Call it:\n");
    println!("  # the README's Worker\n  curl http://{}/\n", worker("bound")?);
    println!(
        "  # any query through the coordinator\n  curl http://{}/query -d \
         '{{\"sql\": \"select * from berths where id < $1\", \"params\": [4]}}'\n",
        worker("app")?
    );
    println!(
        "  # the Worker that connects each time\n  curl --get http://{}/query --data-urlencode \
         'sql={QUESTION}' -d p=10\n",
        worker("direct")?
    );
    let ports = stage.workerd().gateway_ports()?;
    println!(
        "  # psql, or any driver, through the gateway: a session for a transaction at a time\n  \
         psql postgres://{user}@{}/main\n\n  # or for as long as it is connected\n  \
         psql postgres://{user}@{}/main\n",
        ports.transaction, ports.session
    );
    println!("  # the coordinator's counters\n  curl http://{}/\n", worker("status")?);
    println!(
        "  # the database itself\n  psql postgres://{user}@{}/{DATABASE}\n",
        stage.postgres().addr()
    );
    std::future::pending().await
}
