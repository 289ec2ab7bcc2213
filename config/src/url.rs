//! Splits a database URL. Nothing here says what the URL contains: a URL that does not parse may be
//! one with a password in the wrong place.

/// The parts of a database URL, percent-decoded. The parameters are in the order written.
pub(crate) struct Parts {
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
    pub(crate) database: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// What stands between `@` and the port.
pub(crate) enum Host {
    /// A name or an address.
    Name(String),
    /// The absolute directory of a unix socket.
    Directory(String),
}

/// Bytes of a unix socket's directory: the smallest system has room for 103 bytes of path, of which
/// the socket's name takes 15.
const DIRECTORY_BYTES_MAX: usize = 88;

/// Splits `scheme://user:password@host:port/database?key=value&…`, or says what is wrong with it.
pub(crate) fn split(url: &str) -> Result<Parts, &'static str> {
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("the URL contains white space; percent-encode it (a space is %20)");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("not a URL; write postgres://user@host:5432/database?key=value");
    };
    if rest.contains('#') {
        return Err("the URL contains a #; percent-encode it as %23");
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, password, host) = split_authority(authority)?;
    let (host, port) = split_host(host)?;
    if path.contains('/') {
        return Err("the URL's path must be the database's name alone; write a / in it as %2F");
    }
    Ok(Parts {
        scheme: scheme.to_owned(),
        user: non_empty(user)?,
        password: non_empty(password)?,
        host,
        port,
        database: non_empty(path)?,
        parameters: split_query(query)?,
    })
}

fn split_authority(authority: &str) -> Result<(&str, &str, &str), &'static str> {
    let Some((userinfo, host)) = authority.split_once('@') else {
        return Ok(("", "", authority));
    };
    if host.contains('@') {
        return Err("the URL has two @; percent-encode the one in the user or password as %40");
    }
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    Ok((user, password, host))
}

fn split_host(host: &str) -> Result<(Host, Option<u16>), &'static str> {
    const MALFORMED: &str = "the URL's host is malformed; write a host name, an IPv4 address or an \
        IPv6 address in brackets, then :port";
    if host.contains('%') {
        let (directory, number) = host.split_once(':').map_or((host, None), |(d, p)| (d, Some(p)));
        return Ok((Host::Directory(socket_directory(directory)?), port(number)?));
    }
    let (name, port) = if host.starts_with('[') {
        let end = host.find(']').ok_or(MALFORMED)? + 1;
        let (name, port) = host.split_at_checked(end).ok_or(MALFORMED)?;
        if !name.bytes().all(|b| b.is_ascii_hexdigit() || b"[]:.".contains(&b)) {
            return Err(MALFORMED);
        }
        match port {
            "" => (name, None),
            port => (name, Some(port.strip_prefix(':').ok_or(MALFORMED)?)),
        }
    } else {
        let (name, port) = host.split_once(':').map_or((host, None), |(n, p)| (n, Some(p)));
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err(MALFORMED);
        }
        (name, port)
    };
    if name.is_empty() {
        return Err("the URL has no host");
    }
    Ok((Host::Name(name.to_owned()), self::port(port)?))
}

fn socket_directory(encoded: &str) -> Result<String, &'static str> {
    const MALFORMED: &str = "the URL's host contains a %, but is not the percent-encoded absolute \
        directory of a unix socket; write it like %2Fvar%2Frun%2Fpostgresql";
    let directory = decode(encoded)?;
    if !directory.starts_with('/') || directory.contains(char::is_control) {
        return Err(MALFORMED);
    }
    if directory.len() > DIRECTORY_BYTES_MAX {
        return Err("the unix socket's directory is longer than 88 bytes, which systems refuse");
    }
    Ok(directory)
}

fn port(digits: Option<&str>) -> Result<Option<u16>, &'static str> {
    match digits {
        None => Ok(None),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port: &u16| port > 0).map(Some).ok_or(PORT)
        }
        Some(_) => Err(PORT),
    }
}

const PORT: &str = "the URL's port is not a number from 1 to 65535; if a password contains / ? or \
    :, percent-encode it or put it into the variable for the password";

fn split_query(query: &str) -> Result<Vec<(String, String)>, &'static str> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let Some((key, value)) = pair.split_once('=') else {
                return Err("the URL's parameters must be key=value, separated by &");
            };
            Ok((decode(key)?, decode(value)?))
        })
        .collect()
}

fn non_empty(text: &str) -> Result<Option<String>, &'static str> {
    if text.is_empty() { Ok(None) } else { decode(text).map(Some) }
}

/// Undoes percent-encoding. A `+` stays a `+`, as in libpq.
fn decode(text: &str) -> Result<String, &'static str> {
    const MALFORMED: &str = "a % in the URL is not followed by two hexadecimal digits; a % itself \
        is written %25";
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(MALFORMED) };
        decoded.push(u8::try_from(high * 16 + low).map_err(|_| MALFORMED)?);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| "the URL decodes to no UTF-8")?;
    if decoded.contains('\0') {
        return Err("the URL contains %00, which PostgreSQL cannot carry");
    }
    Ok(decoded)
}
