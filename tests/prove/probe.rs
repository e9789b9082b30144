//! Probes, as a kubelet runs them.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::kubelet::list;
use crate::pod::Pod;

/// One probe of the main container.
#[derive(Debug)]
pub(crate) struct Probe<'a> {
    spec: &'a Value,
    ports: &'a Value,
}

impl<'a> Probe<'a> {
    /// `startupProbe`, `readinessProbe` or `livenessProbe` of `container`.
    pub(crate) fn of(container: &'a Value, name: &str) -> Option<Self> {
        let spec = container.get(name).filter(|spec| !spec.is_null())?;
        Some(Self { spec, ports: &container["ports"] })
    }

    /// How long it may fail before the kubelet acts.
    pub(crate) fn patience(&self) -> Duration {
        let number = |field: &str| u32::try_from(self.spec[field].as_u64().unwrap_or_default()).unwrap();
        Duration::from_secs(1)
            * (number("initialDelaySeconds") + number("periodSeconds") * number("failureThreshold"))
    }

    /// So many failures, one after the other, count as one.
    pub(crate) fn failures(&self) -> usize {
        usize::try_from(self.spec["failureThreshold"].as_u64().unwrap()).unwrap()
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.spec["timeoutSeconds"].as_u64().unwrap())
    }

    /// Asks once: why it failed, if it did.
    pub(crate) fn ask(&self, pod: &Pod) -> Result<(), String> {
        if let Some(command) = self.spec["exec"]["command"].as_array() {
            let words: Vec<_> = command.iter().map(|word| word.as_str().unwrap()).collect();
            return pod.exec(&words, self.timeout()).map(|_| ());
        }
        if let Some(http) = self.spec.get("httpGet") {
            return self.get(http, pod);
        }
        let tcp = self
            .spec
            .get("tcpSocket")
            .unwrap_or_else(|| panic!("no probe that is known here: {}", self.spec));
        let address = SocketAddr::from((pod.address(), self.port(&tcp["port"])));
        TcpStream::connect_timeout(&address, self.timeout())
            .map(|_| ())
            .map_err(|error| format!("{address}: {error}"))
    }

    /// By number, or by the name that the container declares.
    fn port(&self, port: &Value) -> u16 {
        let declared =
            || list(self.ports).iter().find(|each| each["name"] == *port).map(|each| &each["containerPort"]);
        let number = port.as_u64().or_else(|| declared()?.as_u64());
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or_else(|| panic!("no port {port}"))
    }

    /// Every status from 200 up to 399 is a success, and no certificate is verified (`pkg/probe/http` of Kubernetes).
    fn get(&self, http: &Value, pod: &Pod) -> Result<(), String> {
        let scheme = http["scheme"].as_str().unwrap_or("HTTP").to_lowercase();
        let path = http["path"].as_str().unwrap_or("/");
        let url = format!("{scheme}://{}:{}{path}", pod.address(), self.port(&http["port"]));
        let timeout = self.timeout();
        // Fails only if there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = async {
            let client = reqwest::Client::builder().no_proxy().timeout(timeout).build()?;
            let mut request = client.get(&url);
            for header in list(&http["httpHeaders"]) {
                request = request.header(header["name"].as_str().unwrap(), header["value"].as_str().unwrap());
            }
            request.send().await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(answer).map_err(|error| format!("{error:?}"))?.status().as_u16();
        if (200..400).contains(&status) { Ok(()) } else { Err(format!("{url}: {status}")) }
    }
}
