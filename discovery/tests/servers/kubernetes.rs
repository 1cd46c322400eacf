//! Kubernetes against a mock of its API: list, watch, bookmarks, 410, 401, 403, 500, HTML, stalls.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use skep_core::event::{Observation, SourceFault};
use skep_discovery::Kubernetes;

use super::looking::Looking;
use super::mock::{Asked, Mock, Says, in_turn, lines};
use super::scratch::Scratch;

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

const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/certificates");

/// One slice, and a watch that says nothing.
fn one_slice(asked: &Asked) -> Says {
    if asked.line.contains("watch=1") { lines().1 } else { list(7, &[slice("one", 5, &["10.0.0.1"])]) }
}

#[test]
fn an_api_is_checked_against_its_authority_before_the_token_is_sent() {
    let mock = Mock::start_tls(one_slice);
    let place = Scratch::new("tls");
    fs::write(place.path().join("token"), "hush").expect("writable");
    let source = |authority: &str| {
        let api =
            Kubernetes::service("orders").api(mock.https()).ca_file(format!("{CERTIFICATES}/{authority}"));
        api.token_file(place.path().join("token"))
    };
    Looking::begin(source("stranger.pem")).until_failed(SourceFault::Transient, "certificate");
    assert_eq!(mock.unread(), 0, "nothing was sent");
    Looking::begin(source("authority.pem")).until_peers(&["10.0.0.1:7000"]);
    assert_eq!(mock.next().token.as_deref(), Some("hush"));
}

/// A kubeconfig with this cluster and this user.
fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: there\n\
         clusters: [{{ name: c, cluster: {{ {cluster} }} }}]\nusers: [{{ name: u, user: {{ {user} }} }}]\n\
         contexts:\n- name: there\n  context: {{ cluster: c, user: u, namespace: shop }}\n\
         - name: elsewhere\n  context: {{ cluster: d, user: u }}\n"
    )
}

#[test]
fn a_kubeconfig_has_the_api_the_namespace_and_who_speaks() {
    let mock = Mock::start_tls(one_slice);
    let place = Scratch::new("kubeconfig");
    let path = place.path().join("config");
    for name in ["authority.pem", "client.pem", "client.key"] {
        fs::copy(format!("{CERTIFICATES}/{name}"), place.path().join(name)).expect("writable");
    }
    let source = || Kubernetes::service("orders").kubeconfig(&path);
    let cluster = format!("server: '{}', certificate-authority: authority.pem", mock.https());
    fs::write(&path, kubeconfig(&cluster, "token: hush")).expect("writable");
    Looking::begin(source()).until_peers(&["10.0.0.1:7000"]);
    let asked = mock.next();
    assert_eq!(
        (asked.line.as_str(), asked.token.as_deref(), asked.is_certified),
        (LIST, Some("hush"), false)
    );

    let user = "client-certificate: client.pem, client-key: client.key";
    fs::write(&path, kubeconfig(&cluster, user)).expect("writable");
    Looking::begin(source().namespace("other")).until_peers(&["10.0.0.1:7000"]);
    let asked = mock.until("GET /apis/discovery.k8s.io/v1/namespaces/other/");
    assert_eq!((asked.token, asked.is_certified), (None, true));

    for (cluster, user, words) in [
        (&*cluster, "token: hush, exec: { command: aws }", "neither a token nor a certificate"),
        (&cluster, "client-certificate: client.pem", "given together"),
        ("server: 'https://127.0.0.1:1'", "token: hush", "needs a CA file"),
        ("server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true", "", "no TLS without a check"),
        ("server: 'https://127.0.0.1:1', certificate-authority-data: '%'", "", "base64"),
        ("nothing: 1", "", "server"),
    ] {
        fs::write(&path, kubeconfig(cluster, user)).expect("writable");
        Looking::begin(source()).until_failed(SourceFault::Config, words);
    }
    fs::write(&path, kubeconfig(&cluster, "token: hush")).expect("writable");
    Looking::begin(source().context("elsewhere")).until_failed(SourceFault::Config, "no cluster 'd'");
    Looking::begin(source().context("nowhere")).until_failed(SourceFault::Config, "no context 'nowhere'");
    fs::write(&path, "a: [").expect("writable");
    Looking::begin(source()).until_failed(SourceFault::Config, "config: ");
}
