//! Native connections: the control connection and what it can tell and do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::{DATABASE, PASSWORD, Postgres, ROLES};

impl Postgres {
    /// A superuser's connection to the sample database, kept between calls and made anew after a
    /// restart or in another runtime. Its application name is `control`.
    pub async fn control(&self) -> Result<Arc<Client>> {
        let mut kept = self.control.lock().await;
        if let Some(client) = kept.as_ref()
            && client.simple_query("").await.is_ok()
        {
            return Ok(client.clone());
        }
        // The sample database does not exist before the first start has made it.
        let client = match self.connect_as("postgres", &self.admin_password, DATABASE).await {
            Ok(client) => client,
            Err(error) if is_missing_database(&error) => {
                self.connect_as("postgres", &self.admin_password, "postgres").await?
            }
            Err(error) => return Err(error),
        };
        let client = Arc::new(client);
        *kept = Some(client.clone());
        Ok(client)
    }

    /// A plain native connection of `scram_user`, as a comparison.
    pub async fn connect(&self) -> Result<Client> {
        self.connect_as("scram_user", PASSWORD, DATABASE).await
    }

    async fn connect_as(&self, user: &str, password: &str, database: &str) -> Result<Client> {
        let (client, connection) = Config::new()
            .host(self.addr.ip().to_string())
            .port(self.addr.port())
            .user(user)
            .password(password)
            .dbname(database)
            .application_name("control")
            .connect_timeout(Duration::from_secs(5))
            .connect(NoTls)
            .await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// Sessions in the server with this application name.
    pub async fn sessions(&self, application_name: &str) -> Result<usize> {
        let sql = "select count(*) from pg_stat_activity where application_name = $1";
        let count: i64 = self.control().await?.query_one(sql, &[&application_name]).await?.get(0);
        Ok(usize::try_from(count)?)
    }

    /// Waits until exactly `count` sessions have this application name.
    pub async fn wait_for_sessions(
        &self,
        application_name: &str,
        count: usize,
        patience: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let now = self.sessions(application_name).await?;
            if now == count {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{now} sessions of {application_name} after {patience:?}, wanted {count}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends all sessions with this application name (`57P01`); returns how many there were.
    pub async fn terminate_sessions(&self, application_name: &str) -> Result<usize> {
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity \
                   where application_name = $1 and pid <> pg_backend_pid()";
        Ok(self.control().await?.query(sql, &[&application_name]).await?.len())
    }

    /// Runs SQL as superuser in the sample database, several statements if need be.
    pub async fn run(&self, sql: &str) -> Result<()> {
        Ok(self.control().await?.batch_execute(sql).await?)
    }

    pub(super) async fn create_roles_and_data(&self) -> Result<()> {
        let admin = self.connect_as("postgres", &self.admin_password, "postgres").await?;
        let password = PASSWORD.replace('\'', "''");
        let mut sql = String::from("set standard_conforming_strings = on;\n");
        for (role, method) in ROLES {
            let encryption = if method == "md5" { "md5" } else { "scram-sha-256" };
            sql.push_str(&format!("set password_encryption = '{encryption}';\n"));
            sql.push_str(&format!("create role {role} login password '{password}';\n"));
        }
        admin.batch_execute(&sql).await?;
        admin.batch_execute(&format!("create database {DATABASE}")).await?;
        drop(admin);
        let sample = self.connect_as("postgres", &self.admin_password, DATABASE).await?;
        sample.batch_execute(include_str!("sample.sql")).await?;
        // The first start had no sample database to keep a connection to.
        *self.control.lock().await = None;
        Ok(())
    }
}

fn is_missing_database(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<tokio_postgres::Error>();
    error.and_then(tokio_postgres::Error::code) == Some(&SqlState::UNDEFINED_DATABASE)
}
