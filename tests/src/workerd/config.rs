//! What runs in workerd, and the configuration file that says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::gateway::{Far, Port};
use super::{COMPATIBILITY_DATE, control};

/// A Worker to run. Its name is that of its service and of its HTTP socket.
#[derive(Clone, Debug)]
pub struct Worker {
    name: String,
    modules: Modules,
    flags: Vec<String>,
    bindings: Vec<(String, Binding)>,
    classes: Vec<String>,
    /// Also listens for TCP connections.
    tcp: bool,
    /// The main module, around `index.js`.
    around: Option<String>,
}

#[derive(Clone, Debug)]
enum Modules {
    /// `index.js` and every `*.wasm` beside it.
    Directory(PathBuf),
    Script(String),
}

#[derive(Clone, Debug)]
enum Binding {
    Text(String),
    Namespace { class: String, worker: String },
    Service { worker: String },
    Gateway { worker: String, props: Value },
}

impl Worker {
    /// A built Worker: `index.js` and the `*.wasm` files beside it (see [`super::built`]).
    pub fn from_directory(name: &str, directory: impl Into<PathBuf>) -> Self {
        Self::new(name, Modules::Directory(directory.into()))
    }

    /// A Worker of one JavaScript module.
    pub fn from_script(name: &str, script: &str) -> Self {
        Self::new(name, Modules::Script(script.into()))
    }

    fn new(name: &str, modules: Modules) -> Self {
        let (flags, bindings, classes) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.into(), modules, flags, bindings, classes, tcp: false, around: None }
    }

    /// Puts a module around the Worker: it may import `./index.js` and is what runs.
    pub fn around(mut self, script: &str) -> Self {
        self.around = Some(script.into());
        self
    }

    /// Listens for TCP connections too, each of which the Worker's `connect` handler gets; see
    /// [`super::Workerd::tcp_addr`].
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Adds a compatibility flag.
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Binds a text: a variable or a secret, the same here.
    pub fn text(self, binding: &str, value: impl Into<String>) -> Self {
        self.bind(binding, Binding::Text(value.into()))
    }

    /// Makes this Worker the home of a SQLite-backed Durable Object class that it exports.
    pub fn durable_object(mut self, class: &str) -> Self {
        self.classes.push(class.into());
        self
    }

    /// Binds the namespace of a class that `worker` is the home of (`script_name` in
    /// `wrangler.toml`; may be this Worker itself).
    pub fn namespace(self, binding: &str, class: &str, worker: &str) -> Self {
        let (class, worker) = (class.into(), worker.into());
        self.bind(binding, Binding::Namespace { class, worker })
    }

    /// Binds another Worker.
    pub fn service(self, binding: &str, worker: &str) -> Self {
        self.bind(binding, Binding::Service { worker: worker.into() })
    }

    /// Binds the gateway of a Worker, with these props.
    pub fn gateway(self, binding: &str, worker: &str, props: Value) -> Self {
        self.bind(binding, Binding::Gateway { worker: worker.into(), props })
    }

    fn bind(mut self, name: &str, binding: Binding) -> Self {
        self.bindings.push((name.into(), binding));
        self
    }

    /// Writes the modules into `directory` and returns the Worker's definition.
    fn write(&self, directory: &Path, index: usize) -> Result<String> {
        let mut modules = Vec::new();
        let subdirectory = format!("modules{index}");
        let target = directory.join(&subdirectory);
        std::fs::create_dir_all(&target)?;
        match &self.modules {
            Modules::Script(script) => std::fs::write(target.join("index.js"), script)?,
            Modules::Directory(source) => {
                for name in copy_modules(source, &target)? {
                    let embed = text(&format!("{subdirectory}/{name}"));
                    modules.push(format!("(name = {}, wasm = embed {embed})", text(&name)));
                }
            }
        }
        let embed = text(&format!("{subdirectory}/index.js"));
        modules.insert(0, format!("(name = \"index.js\", esModule = embed {embed})"));
        if let Some(around) = &self.around {
            std::fs::write(target.join("around.js"), around)?;
            let embed = text(&format!("{subdirectory}/around.js"));
            modules.insert(0, format!("(name = \"around.js\", esModule = embed {embed})"));
        }

        let flags: Vec<String> = self.flags.iter().map(|flag| text(flag)).collect();
        let bindings: Vec<String> =
            self.bindings.iter().map(|(name, binding)| binding.definition(name)).collect();
        let mut definition = format!(
            "const w{index} :Workerd.Worker = (\n  modules = [{}],\n  compatibilityDate = \"{}\",\n  \
             compatibilityFlags = [{}],\n  bindings = [{}],\n",
            modules.join(", "),
            COMPATIBILITY_DATE,
            flags.join(", "),
            bindings.join(",\n    "),
        );
        if !self.classes.is_empty() {
            let class = |class: &String| {
                // Unique among all Workers, and stable: it names the storage on disk.
                let key = text(&format!("{}-{class}", self.name));
                format!("(className = {}, uniqueKey = {key}, enableSql = true)", text(class))
            };
            let classes: Vec<String> = self.classes.iter().map(class).collect();
            let classes = classes.join(", ");
            writeln!(definition, "  durableObjectNamespaces = [{classes}],")?;
            writeln!(definition, "  durableObjectStorage = (localDisk = \"disk\"),")?;
        }
        definition.push_str(");\n");
        Ok(definition)
    }
}

impl Binding {
    fn definition(&self, name: &str) -> String {
        let name = text(name);
        match self {
            Self::Text(value) => format!("(name = {name}, text = {})", text(value)),
            Self::Service { worker } => format!("(name = {name}, service = {})", text(worker)),
            Self::Gateway { worker, props } => {
                format!("(name = {name}, service = {})", gateway(worker, props))
            }
            Self::Namespace { class, worker } => {
                let (class, worker) = (text(class), text(worker));
                let designator = format!("(className = {class}, serviceName = {worker})");
                format!("(name = {name}, durableObjectNamespace = {designator})")
            }
        }
    }
}

/// Everything that one workerd runs.
#[derive(Clone, Debug, Default)]
pub struct WorkerdConfig {
    workers: Vec<Worker>,
    trusted: Vec<String>,
    pub(super) ports: Vec<Port>,
    pub(super) far: Vec<Far>,
    pub(super) with_inspector: bool,
    pub(super) with_control: bool,
}

impl WorkerdConfig {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a Worker.
    pub fn worker(mut self, worker: Worker) -> Self {
        self.workers.push(worker);
        self
    }

    /// Trusts this CA certificate (PEM) in outgoing TLS, instead of the public ones.
    pub fn trust(mut self, certificate: impl Into<String>) -> Self {
        self.trusted.push(certificate.into());
        self
    }

    /// Opens the inspector, for [`super::Workerd::heap`].
    pub fn inspector(mut self) -> Self {
        self.with_inspector = true;
        self
    }

    /// Adds a Worker that can end Durable Objects, for [`super::Workerd::abort_all_objects`].
    pub fn crash_control(mut self) -> Self {
        self.with_control = true;
        self
    }

    /// Names of all sockets: those of the Workers, and those for TCP.
    pub(super) fn sockets(&self) -> Vec<String> {
        let own = self.workers.iter().map(|worker| worker.name.clone());
        let tcp = self.workers.iter().filter(|worker| worker.tcp);
        let own = own.chain(tcp.map(|worker| tcp_socket(&worker.name)));
        let own = own.chain(self.ports.iter().map(|port| port.name.clone()));
        let own = own.chain(self.far.iter().map(|far| far.name.clone()));
        own.chain(self.with_control.then(|| control::NAME.to_owned())).collect()
    }

    /// Writes configuration and modules into `directory`; returns the file's path.
    pub(super) fn write(&self, directory: &Path) -> Result<PathBuf> {
        let mut workers = self.workers.clone();
        if self.with_control {
            workers.push(self.control());
        }
        let disk = directory.join("storage");
        std::fs::create_dir_all(&disk)?;
        let disk = text(disk.to_str().context("the temporary directory's path is not UTF-8")?);
        let (mut services, mut sockets, mut definitions) = (Vec::new(), Vec::new(), String::new());
        for (index, worker) in workers.iter().enumerate() {
            let name = text(&worker.name);
            // The spaces around `=` matter: `=.` would be one token.
            services.push(format!("(name = {name}, worker = .w{index})"));
            sockets.push(format!(
                "(name = {name}, address = \"127.0.0.1:0\", http = (), service = {name})"
            ));
            if worker.tcp {
                let socket = text(&tcp_socket(&worker.name));
                sockets.push(format!(
                    "(name = {socket}, address = \"127.0.0.1:0\", tcp = (), service = {name})"
                ));
            }
            definitions.push_str(&worker.write(directory, index)?);
        }
        for Port { name, worker, props } in &self.ports {
            let (name, service) = (text(name), gateway(worker, props));
            sockets.push(format!(
                "(name = {name}, address = \"127.0.0.1:0\", tcp = (), service = {service})"
            ));
        }
        for Far { name, worker, props, wire } in &self.far {
            let (name, service) = (text(name), gateway(worker, props));
            let rpc = "http = (capnpConnectHost = \"rpc\")";
            services.push(format!("(name = {name}, external = (address = \"{wire}\", {rpc}))"));
            sockets.push(format!(
                "(name = {name}, address = \"127.0.0.1:0\", {rpc}, service = {service})"
            ));
        }
        services.push(format!("(name = \"disk\", disk = (path = {disk}, writable = true))"));
        services.push(format!("(name = \"internet\", network = {})", self.network()));
        let file = directory.join("config.capnp");
        let contents = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";\n\
             const config :Workerd.Config = (\n  services = [\n    {}\n  ],\n  sockets = [\n    {}\n  ],\n);\n\
             {definitions}",
            services.join(",\n    "),
            sockets.join(",\n    "),
        );
        std::fs::write(&file, contents)?;
        Ok(file)
    }

    /// The control Worker, bound to every class: it puts to sleep only what it is bound to.
    fn control(&self) -> Worker {
        let classes = self.workers.iter().flat_map(|worker| {
            worker.classes.iter().map(|class| (class.as_str(), worker.name.as_str()))
        });
        classes.enumerate().fold(control::worker(), |control, (index, (class, home))| {
            control.namespace(&format!("CLASS{index}"), class, home)
        })
    }

    /// The way out of Workers: loopback is "private", which is not allowed by default.
    fn network(&self) -> String {
        let certificates: Vec<String> = self.trusted.iter().map(|pem| text(pem)).collect();
        let tls = format!(
            "(trustBrowserCas = {}, trustedCertificates = [{}])",
            certificates.is_empty(),
            certificates.join(", ")
        );
        format!("(allow = [\"public\", \"private\"], tlsOptions = {tls})")
    }
}

/// The entrypoint `Gateway` of a Worker, as a service.
fn gateway(worker: &str, props: &Value) -> String {
    let (worker, props) = (text(worker), text(&props.to_string()));
    format!("(name = {worker}, entrypoint = \"Gateway\", props = (json = {props}))")
}

/// The name of a Worker's socket for TCP.
pub(super) fn tcp_socket(worker: &str) -> String {
    format!("{worker}-tcp")
}

/// Copies `index.js` and all `*.wasm`; returns the names of the latter.
fn copy_modules(source: &Path, target: &Path) -> Result<Vec<String>> {
    let index = source.join("index.js");
    std::fs::copy(&index, target.join("index.js")).with_context(|| format!("no {index:?}"))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            bail!("a file in {source:?} has a name that is not UTF-8");
        };
        if name.ends_with(".wasm") {
            std::fs::copy(entry.path(), target.join(&name))?;
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A Cap'n Proto text literal.
fn text(value: &str) -> String {
    let mut literal = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            c if c.is_ascii_control() => literal.push_str(&format!("\\x{:02x}", c as u32)),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_escaped() {
        assert_eq!(super::text("a\"b\\c\n\tü"), "\"a\\\"b\\\\c\\n\\x09ü\"");
    }
}
