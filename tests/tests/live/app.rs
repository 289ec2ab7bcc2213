//! The test Worker (`tests/app`) as stories call it.

use std::time::Duration;

use pierhead_tests::http::{Doomed, Http, Response, path_with_query};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The test Worker with the options of a call.
#[derive(Clone)]
pub(crate) struct App {
    http: Http,
    options: Vec<(&'static str, String)>,
}

/// An answer that is none: the error as the Worker's client sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// HTTP status.
    pub(crate) status: u16,
    /// Header `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// Everything that the error knows.
    pub(crate) error: Value,
}

impl App {
    pub(crate) fn new(http: Http, database: &str) -> Self {
        Self { http, options: vec![("db", database.to_owned())] }
    }

    /// Calls with this deadline.
    pub(crate) fn timeout(&self, timeout: Duration) -> Self {
        self.with("timeout_ms", timeout.as_millis().to_string())
    }

    /// Calls with this deadline, for as long as that takes.
    pub(crate) fn patient(&self, timeout: Duration) -> Self {
        let mut patient = self.timeout(timeout);
        patient.http = self.http.with_timeout(timeout + Duration::from_secs(30));
        patient
    }

    /// Calls that ask for a reset.
    pub(crate) fn reset(&self) -> Self {
        self.with("reset", "1".into())
    }

    /// Calls over another binding.
    pub(crate) fn binding(&self, name: &str) -> Self {
        self.with("binding", name.into())
    }

    /// Calls with a setting of their transaction.
    pub(crate) fn set(&self, name: &str, value: &str) -> Self {
        self.with("set", format!("{name}:{value}"))
    }

    pub(crate) fn with(&self, name: &'static str, value: String) -> Self {
        let mut changed = self.clone();
        changed.options.push((name, value));
        changed
    }

    /// Sends a value through the database.
    pub(crate) async fn echo(&self, value: &str) -> Result<String, Failure> {
        let answer = self.get("/echo", &[("value", value)]).await?;
        Ok(answer["value"].as_str().unwrap().to_owned())
    }

    /// `{columns, rows, affected}`, values as text.
    pub(crate) async fn query(&self, sql: &str, params: &[Value]) -> Result<Value, Failure> {
        self.post("/query", &json!({ "sql": sql, "params": params })).await
    }

    /// Sends a query now and lets it run beside the story.
    pub(crate) fn spawn(&self, sql: &'static str) -> JoinHandle<Result<Value, Failure>> {
        let app = self.clone();
        tokio::spawn(async move { app.query(sql, &[]).await })
    }

    /// The value of a result of one row and one column.
    pub(crate) async fn value(&self, sql: &str, params: &[Value]) -> Result<String, Failure> {
        let answer = self.query(sql, params).await?;
        Ok(answer["rows"][0][0].as_str().unwrap_or("NULL").to_owned())
    }

    /// The server process that answers.
    pub(crate) async fn pid(&self) -> Result<String, Failure> {
        self.value("select pg_backend_pid()", &[]).await
    }

    /// Rows touched.
    pub(crate) async fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, Failure> {
        let answer = self.post("/execute", &json!({ "sql": sql, "params": params })).await?;
        Ok(answer["affected"].as_u64().unwrap())
    }

    /// The results of several statements.
    pub(crate) async fn batch(&self, statements: &[(&str, Value)]) -> Result<Value, Failure> {
        let statements: Vec<Value> = statements
            .iter()
            .map(|(sql, params)| json!({ "sql": sql, "params": params }))
            .collect();
        let answer = self.post("/batch", &json!({ "statements": statements })).await?;
        Ok(answer["results"].clone())
    }

    /// A transaction told in steps, see `tests/app/src/transaction.rs`.
    pub(crate) async fn transaction(&self, story: &Value) -> Result<Value, Failure> {
        self.post("/transaction", story).await
    }

    /// Copies `data`, so many times, and tells how many rows came of it.
    pub(crate) async fn copy_in(
        &self,
        sql: &str,
        data: &Value,
        times: u64,
    ) -> Result<u64, Failure> {
        let body = json!({ "sql": sql, "data": data, "times": times });
        Ok(self.post("/copy_in", &body).await?["affected"].as_u64().unwrap())
    }

    /// `GET` with the options in the query.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        read(self.http.get(&self.path(path, query)).await.unwrap())
    }

    /// `GET` by a client that dies when the returned value is dropped.
    pub(crate) async fn doomed(&self, path: &str, query: &[(&str, &str)]) -> Doomed {
        self.http.doomed(&self.path(path, query)).await.unwrap()
    }

    /// `GET`, whatever comes.
    pub(crate) async fn raw(&self, path: &str, query: &[(&str, &str)]) -> Response {
        self.http.get(&self.path(path, query)).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        read(self.http.post_json(&self.path(path, &[]), body).await.unwrap())
    }

    fn path(&self, path: &str, query: &[(&str, &str)]) -> String {
        let options = self.options.iter().map(|(name, value)| (*name, value.as_str()));
        path_with_query(path, &options.chain(query.iter().copied()).collect::<Vec<_>>())
    }
}

fn read(response: Response) -> Result<Value, Failure> {
    let body = response.json().unwrap_or_else(|_| Value::String(response.text()));
    if response.status == 200 {
        return Ok(body);
    }
    let retry_after = response.headers.get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(String::from);
    Err(Failure { status: response.status, retry_after, error: body })
}

impl Failure {
    pub(crate) fn sqlstate(&self) -> &str {
        self.error["sqlstate"].as_str().unwrap_or_default()
    }

    /// The error as one text.
    pub(crate) fn text(&self) -> &str {
        self.error["text"].as_str().unwrap_or_default()
    }

    /// Whether a predicate of the error holds: `refused`, `unknown`, `retryable`, ….
    pub(crate) fn is(&self, predicate: &str) -> bool {
        self.error[predicate].as_bool().unwrap_or_else(|| panic!("no {predicate}: {self:?}"))
    }
}
