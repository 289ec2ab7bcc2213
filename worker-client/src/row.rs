use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, RowDescriptionBody};
use serde::de::DeserializeOwned;

use crate::error::Kind;
use crate::types::oid;
use crate::types::{DecodeError, FromColumn};
use crate::{Error, de};

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    type_oid: u32,
}

impl Column {
    /// As the statement names it; not necessarily unique.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of its type in `pg_type`. A domain has its base type's.
    #[must_use]
    pub const fn type_oid(&self) -> u32 {
        self.type_oid
    }

    /// The name of its type, or `of type N` for one that is not PostgreSQL's own.
    #[must_use]
    pub fn type_name(&self) -> String {
        oid::name(self.type_oid)
    }

    pub(crate) fn read_all(description: &RowDescriptionBody) -> std::io::Result<Arc<[Self]>> {
        let columns = description
            .fields()
            .map(|field| Ok(Self { name: field.name().to_owned(), type_oid: field.type_oid() }));
        columns.collect::<Vec<_>>().map(Arc::from)
    }
}

/// A row of a result.
#[derive(Clone)]
pub struct Row {
    columns: Arc<[Column]>,
    body: Bytes,
    /// Where each value lies in `body`; nothing for NULL.
    values: Vec<Option<Range<usize>>>,
}

/// What names a column: its name (the first of several with the same), or its place, from 0.
pub trait ColumnIndex {
    /// The column's place, if there is such a column.
    fn find(&self, columns: &[Column]) -> Option<usize>;

    /// The column in an error.
    fn describe(&self) -> String;
}

impl ColumnIndex for usize {
    fn find(&self, columns: &[Column]) -> Option<usize> {
        (*self < columns.len()).then_some(*self)
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl ColumnIndex for &str {
    fn find(&self, columns: &[Column]) -> Option<usize> {
        columns.iter().position(|column| column.name == *self)
    }

    fn describe(&self) -> String {
        format!("`{self}`")
    }
}

impl Row {
    pub(crate) fn read(columns: Arc<[Column]>, row: &DataRowBody) -> std::io::Result<Self> {
        let values: Vec<_> = row.ranges().collect()?;
        if values.len() != columns.len() {
            return Err(std::io::Error::other(
                "a row has another number of columns than described",
            ));
        }
        Ok(Self { columns, body: row.buffer_bytes().clone(), values })
    }

    /// The row's columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Reads a column, by name or by place from 0.
    ///
    /// # Errors
    /// When there is no such column, its type or value does not fit, or it is NULL and `T` is not an
    /// `Option`.
    pub fn get<T: FromColumn>(&self, column: impl ColumnIndex) -> Result<T, Error> {
        let index = self.find(&column)?;
        self.read_column(index).map_err(|error| self.error(index, error))
    }

    /// A column as the text that PostgreSQL printed, whatever its type; nothing for NULL.
    ///
    /// # Errors
    /// When there is no such column, or its text is not UTF-8.
    pub fn text(&self, column: impl ColumnIndex) -> Result<Option<&str>, Error> {
        let index = self.find(&column)?;
        self.value(index).map_err(|error| self.error(index, error))
    }

    /// Reads the row into anything that serde can: a struct by column names, a tuple by their
    /// places.
    ///
    /// # Errors
    /// When a column is missing or does not fit.
    pub fn into_struct<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(de::RowDeserializer::new(self)).map_err(Error::from)
    }

    fn find(&self, column: &impl ColumnIndex) -> Result<usize, Error> {
        column.find(&self.columns).ok_or_else(|| {
            let names: Vec<_> = self.columns.iter().map(Column::name).collect();
            Error::new(Kind::Column {
                column: column.describe(),
                error: DecodeError::new(format!("does not exist; there are {}", names.join(", "))),
            })
        })
    }

    fn read_column<T: FromColumn>(&self, index: usize) -> Result<T, DecodeError> {
        match self.value(index)? {
            Some(text) => T::from_text(self.type_oid(index), text),
            None => T::from_null(),
        }
    }

    fn error(&self, index: usize, error: DecodeError) -> Error {
        let column = self.columns.get(index).map_or("?", Column::name);
        Error::new(Kind::Column { column: format!("`{column}`"), error })
    }

    pub(crate) fn type_oid(&self, index: usize) -> u32 {
        self.columns.get(index).map_or(0, Column::type_oid)
    }

    pub(crate) fn value(&self, index: usize) -> Result<Option<&str>, DecodeError> {
        let Some(Some(range)) = self.values.get(index) else { return Ok(None) };
        let bytes = self.body.get(range.clone()).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| DecodeError::new("its text is not UTF-8; client_encoding must be UTF8"))
    }
}

/// Shows the columns, never the values.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// All rows of a result.
#[derive(Clone, Debug)]
pub struct Rows {
    columns: Arc<[Column]>,
    rows: Vec<Row>,
}

impl Rows {
    pub(crate) fn new(columns: Arc<[Column]>, rows: Vec<Row>) -> Self {
        Self { columns, rows }
    }

    /// The columns, also when there are no rows.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// Reads every row into anything that serde can; see [`Row::into_struct`].
    ///
    /// # Errors
    /// When a column is missing or does not fit.
    pub fn into_structs<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        self.iter().map(Row::into_struct).collect()
    }

    pub(crate) fn into_at_most_one(self) -> Result<Option<Row>, Error> {
        let found = self.rows.len();
        if found > 1 {
            return Err(Error::new(Kind::RowCount { expected: "at most one", found }));
        }
        Ok(self.rows.into_iter().next())
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Row;
    type IntoIter = std::slice::Iter<'a, Row>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row of columns with name, type and text.
    pub(crate) fn row(values: &[(&str, u32, Option<&str>)]) -> Row {
        let mut body = Vec::new();
        let mut ranges = Vec::new();
        for (.., text) in values {
            let start = body.len();
            body.extend(text.unwrap_or_default().bytes());
            ranges.push(text.map(|_| start..body.len()));
        }
        let columns = values
            .iter()
            .map(|(name, type_oid, _)| Column { name: (*name).to_owned(), type_oid: *type_oid });
        Row { columns: columns.collect(), body: body.into(), values: ranges }
    }

    #[test]
    fn columns_are_found_by_name_and_place() {
        let row = row(&[("a", 23, Some("1")), ("b", 25, Some("x")), ("a", 23, Some("2"))]);
        assert_eq!(row.get::<i32>("a").unwrap(), 1);
        assert_eq!(row.get::<i32>(2).unwrap(), 2);
        assert_eq!(row.text(0).unwrap(), Some("1"));
        let error = row.get::<i32>(3).unwrap_err().to_string();
        assert_eq!(error, "column 3: does not exist; there are a, b, a");
        let error = row.get::<bool>("b").unwrap_err().to_string();
        assert!(error.starts_with("column `b`: the column is text, bool reads bool"), "{error}");
        assert!(!format!("{row:?}").contains("\"x\""));
    }
}
