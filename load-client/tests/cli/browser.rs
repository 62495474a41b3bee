//! Controls headless Chromium over the Chrome DevTools protocol.
//!
//! The protocol uses a pipe (`--remote-debugging-pipe`: JSON, with a zero byte after each message), so it needs no
//! crate for WebSockets and opens no port. Chromium uses file descriptors 3 and 4 for it. The shell duplicates them
//! from 0 and 1.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Only loopback addresses resolve.
const NO_NETWORK: &str = "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1";
/// Only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Browser {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    calls: u64,
    session: Option<String>,
    /// The complaints of the page: exceptions, and errors and warnings on the console.
    pub(crate) complaints: Vec<String>,
    finished_downloads: usize,
    pub(crate) downloads: TempDir,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium with one blank page.
    pub(crate) fn start() -> Self {
        let (profile, downloads) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // The sandbox does not work for root, the user of containers.
        let sandbox = if rustix::process::geteuid().is_root() {
            "--no-sandbox"
        } else {
            "--enable-sandbox"
        };
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .args([
                "chromium",
                "--headless=new",
                "--remote-debugging-pipe",
                sandbox,
            ])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args(["--no-proxy-server", "--hide-scrollbars"])
            .arg(format!("--host-resolver-rules={NO_NETWORK}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let from = messages(BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Self {
            to: child.stdin.take(),
            child,
            from,
            calls: 0,
            session: None,
            complaints: Vec::new(),
            finished_downloads: 0,
            downloads,
            _profile: profile,
        };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let page = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = &page["targetId"];
        let attached = self.call(
            "Target.attachToTarget",
            json!({ "targetId": target, "flatten": true }),
        );
        let folder = self.downloads.path().to_str().unwrap().to_owned();
        let behaviour =
            json!({ "behavior": "allow", "downloadPath": folder, "eventsEnabled": true });
        self.call("Browser.setDownloadBehavior", behaviour);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            self.call(domain, json!({}));
        }
    }

    /// Opens an address. Returns when the page has loaded.
    pub(crate) fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
        self.wait_for("document.readyState === 'complete'");
    }

    /// Returns the value of an expression, after its promises have resolved.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, condition: &str) {
        let limit = PATIENCE.as_millis() / 2;
        let holds = self.evaluate(&format!(
            "new Promise((resolve) => {{
               const end = Date.now() + {limit};
               const look = () => ({condition}) ? resolve(true) : Date.now() > end ? resolve(false) : setTimeout(look, 50);
               look();
             }})"
        ));
        let text = "document.body.innerText";
        assert_eq!(holds, true, "never: {condition}\n{}", self.evaluate(text));
    }

    /// Presses the mouse in the middle of an element.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        self.wait_for(&format!(
            "document.querySelector({selector:?})?.checkVisibility()"
        ));
        let (x, y) = self.place(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Moves the mouse over an element.
    pub(crate) fn hover(&mut self, selector: &str) {
        let place = self.place(selector);
        for (x, y) in [(1.into(), 1.into()), place] {
            let event: Value = json!({ "type": "mouseMoved", "x": x, "y": y });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Scrolls an element into view, and returns its middle.
    fn place(&mut self, selector: &str) -> (Value, Value) {
        let place = self.evaluate(&format!(
            "(() => {{ const found = document.querySelector({selector:?}); found.scrollIntoView({{ block: 'center' }});
               const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        (place[0].clone(), place[1].clone())
    }

    /// Sets a field of a form, like typing.
    pub(crate) fn fill(&mut self, selector: &str, value: &str) {
        self.evaluate(&format!("document.querySelector({selector:?}).select()"));
        self.call("Input.insertText", json!({ "text": value }));
    }

    /// Waits until a file has arrived in full, and returns its content.
    pub(crate) fn downloaded(&mut self, file: &str) -> String {
        while self.finished_downloads == 0 {
            let message = self.from.recv_timeout(PATIENCE).unwrap();
            self.note(&message);
        }
        self.finished_downloads -= 1;
        std::fs::read_to_string(self.downloads.path().join(file)).unwrap()
    }

    /// Gives the page a size in pixels and the system's theme.
    pub(crate) fn look(&mut self, width: u32, height: u32, theme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let feature = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": feature }));
    }

    /// Takes a picture of the visible page, as PNG.
    pub(crate) fn picture(&mut self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let mut decode = Command::new("base64")
            .arg("--decode")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(path).unwrap())
            .spawn()
            .unwrap();
        let text = shot["data"].as_str().unwrap();
        let mut pipe = decode.stdin.take().unwrap();
        pipe.write_all(text.as_bytes()).unwrap();
        drop(pipe);
        assert!(decode.wait().unwrap().success());
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session
            && !method.starts_with("Browser.")
        {
            message["sessionId"] = json!(session);
        }
        let pipe = self.to.as_mut().unwrap();
        pipe.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.from.recv_timeout(PATIENCE).expect(method);
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        let is_complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => {
                matches!(
                    parameters["type"].as_str(),
                    Some("error" | "warning" | "assert")
                )
            }
            Some("Log.entryAdded") => {
                matches!(
                    parameters["entry"]["level"].as_str(),
                    Some("error" | "warning")
                )
            }
            Some("Browser.downloadProgress") => {
                self.finished_downloads += usize::from(parameters["state"] == "completed");
                false
            }
            _ => false,
        };
        if is_complaint {
            self.complaints.push(parameters.to_string());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends when its pipe is closed.
        self.to = None;
        let _ = self.child.wait();
    }
}

fn messages(mut pipe: impl BufRead + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut message = Vec::new();
        while pipe.read_until(0, &mut message).is_ok_and(|read| read > 0) {
            let json = message.strip_suffix(&[0]).unwrap_or(&message);
            if let Ok(message) = serde_json::from_slice(json)
                && sender.send(message).is_err()
            {
                return;
            }
            message.clear();
        }
    });
    receiver
}
