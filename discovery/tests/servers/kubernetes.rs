//! Kubernetes against a mock of its API: list, watch, bookmarks, 410, 401, 403, 500, HTML, stalls.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use skep_core::event::{Observation, SourceFault};
use skep_discovery::Kubernetes;

use super::looking::Looking;
use super::mock::{Mock, Says, in_turn, lines};

fn slice(name: &str, version: u32, ips: &[&str]) -> Value {
    let endpoints: Vec<_> =
        ips.iter().map(|ip| json!({ "addresses": [ip], "conditions": { "ready": true } })).collect();
    let metadata = json!({ "name": name, "resourceVersion": version.to_string() });
    json!({ "metadata": metadata, "ports": [{ "name": "skep", "port": 7000 }], "endpoints": endpoints })
}

fn list(version: u32, slices: &[Value]) -> Says {
    let metadata = json!({ "resourceVersion": version.to_string() });
    Says::Body(200, json!({ "kind": "EndpointSliceList", "metadata": metadata, "items": slices }).to_string())
}

fn event(kind: &str, object: &Value) -> String {
    json!({ "type": kind, "object": object }).to_string()
}

fn bookmark(version: u32) -> String {
    event("BOOKMARK", &json!({ "metadata": { "resourceVersion": version.to_string() } }))
}

fn too_old() -> String {
    event("ERROR", &json!({ "kind": "Status", "code": 410, "message": "too old resource version" }))
}

fn source(mock: &Mock) -> Kubernetes {
    Kubernetes::service("orders").namespace("shop").api(mock.url())
}

const LIST: &str = "GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dorders";

#[test]
fn slices_are_listed_then_watched_and_change_what_is_known() {
    let (watch, watched) = lines();
    let first = list(7, &[slice("one", 5, &["10.0.0.1"]), slice("two", 6, &["10.0.0.2"])]);
    let mock = Mock::start(in_turn([first, watched]));
    let looking = Looking::begin(source(&mock));
    looking.until_peers(&["10.0.0.1:7000", "10.0.0.2:7000"]);
    assert_eq!(mock.next().line, LIST);
    let more = "&watch=1&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion=7";
    assert_eq!(mock.next().line, format!("{LIST}{more}"));
    watch.send(event("MODIFIED", &slice("one", 8, &["10.0.0.1", "10.0.0.3"]))).expect("it listens");
    looking.until_peers(&["10.0.0.1:7000", "10.0.0.2:7000", "10.0.0.3:7000"]);
    watch.send(event("DELETED", &slice("one", 9, &["10.0.0.1", "10.0.0.3"]))).expect("it listens");
    looking.until_peers(&["10.0.0.2:7000"]);
    watch.send(event("ADDED", &slice("three", 10, &["fd00::1"]))).expect("it listens");
    looking.until_peers(&["10.0.0.2:7000", "[fd00::1]:7000"]);
}

#[test]
fn a_watch_goes_on_from_its_last_bookmark_and_lists_again_when_that_is_too_old() {
    let (watch, watched) = lines();
    let (again, watched_again) = lines();
    let (_last, watched_last) = lines();
    let (one, other) = (slice("one", 5, &["10.0.0.1"]), slice("one", 30, &["10.0.0.2"]));
    let answers = [list(7, &[one]), watched, watched_again, list(30, &[other]), watched_last];
    let mock = Mock::start(in_turn(answers));
    let looking = Looking::begin(source(&mock));
    looking.until_peers(&["10.0.0.1:7000"]);
    assert!(mock.next().line.ends_with("%3Dorders"));
    assert!(mock.next().line.ends_with("resourceVersion=7"));
    watch.send(bookmark(20)).expect("it listens");
    drop(watch);
    assert!(mock.next().line.ends_with("resourceVersion=20"), "after the bookmark");
    again.send(too_old()).expect("it listens");
    assert_eq!(mock.next().line, LIST);
    let said = looking.next();
    assert!(matches!(said, Observation::Snapshot { complete: true, .. }), "410 is no failure: {said:?}");
    assert!(mock.next().line.ends_with("resourceVersion=30"));
}

#[test]
fn each_failure_is_told_by_whose_fault_it_is_and_withdraws_nobody() {
    let html = "<html><body>Bad gateway</body></html>";
    let answers = [
        Says::Body(401, "Unauthorized".into()),
        Says::Body(403, json!({ "kind": "Status", "message": "cannot list endpointslices" }).to_string()),
        Says::Body(500, html.into()),
        Says::Body(200, html.into()),
        Says::Body(302, String::new()),
        list(7, &[slice("one", 5, &["10.0.0.1"])]),
        Says::Body(410, "too old".into()),
        list(8, &[slice("one", 5, &["10.0.0.2"])]),
        lines().1,
    ];
    let mock = Mock::start(in_turn(answers));
    let looking = Looking::begin(source(&mock));
    for (fault, words) in [
        (SourceFault::Auth, "HTTP 401, 'Unauthorized'"),
        (SourceFault::Auth, "cannot list endpointslices"),
        (SourceFault::Transient, "HTTP 500, '<html><body>Bad gateway"),
        (SourceFault::Transient, "in '<html><body>Bad gateway"),
        (SourceFault::Transient, "HTTP 302"),
    ] {
        match looking.next() {
            Observation::Failed(failure) => {
                assert_eq!(failure.fault, fault, "{failure}");
                assert!(failure.reason.as_str().contains(words), "'{words}' in {failure}");
            }
            other => panic!("{words} is a failure: {other:?}"),
        }
    }
    looking.until_peers(&["10.0.0.1:7000"]);
    looking.until_peers(&["10.0.0.2:7000"]);
}

#[test]
fn a_watch_that_stalls_is_begun_again_and_the_token_is_read_again() {
    let place = std::env::temp_dir().join(format!("skep-token-{}", std::process::id()));
    fs::write(&place, "first\n").expect("writable");
    let stalled = Mutex::new(Vec::new());
    let mock = Mock::start(move |asked| {
        if !asked.line.contains("watch=1") {
            return list(7, &[slice("one", 5, &["10.0.0.1"])]);
        }
        let (watch, watched) = lines();
        stalled.lock().expect("no thread panics with it").push(watch); // it says nothing, and goes on
        watched
    });
    let source = source(&mock).token_file(&place).watch_for(Duration::from_secs(1));
    let looking = Looking::begin(source);
    looking.until_peers(&["10.0.0.1:7000"]);
    assert_eq!(mock.next().token.as_deref(), Some("first"));
    assert_eq!(mock.next().token.as_deref(), Some("first"));
    fs::write(&place, "second\n").expect("writable");
    let again = mock.next();
    assert!(again.line.ends_with("resourceVersion=7"), "it goes on where it was: {}", again.line);
    assert_eq!(again.token.as_deref(), Some("second"));
    fs::remove_file(&place).expect("ours");
}

#[test]
fn without_a_ca_file_nothing_is_sent() {
    let mock = Mock::start(|_| Says::Body(200, "{}".into()));
    let url = mock.url().replace("http:", "https:");
    for (ca, words) in [(None, "needs a CA file"), (Some("/no/such/ca.crt"), "/no/such/ca.crt: No such file")]
    {
        let source = Kubernetes::service("orders").api(&url);
        let source = match ca {
            Some(path) => source.ca_file(path),
            None => source,
        };
        Looking::begin(source).until_failed(SourceFault::Config, words);
    }
    assert_eq!(mock.unread(), 0);
    Looking::begin(Kubernetes::service("orders"))
        .until_failed(SourceFault::Config, "KUBERNETES_SERVICE_HOST");
}
