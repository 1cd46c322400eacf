//! Consul against a mock of its agent: registers, stays healthy, sees others, is forgotten and registers again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use skep_core::event::SourceFault;
use skep_discovery::Consul;

use super::looking::Looking;
use super::mock::{Asked, Mock, Says};

/// The services that an agent knows, by their ids; empty means that it refuses all requests.
#[derive(Clone, Default)]
struct Agent(Arc<Mutex<Registered>>);

#[derive(Default)]
struct Registered {
    services: Vec<Value>,
    passing: BTreeSet<String>,
    refuses: bool,
}

impl Agent {
    fn answer(&self, asked: &Asked) -> Says {
        let mut agent = self.0.lock().expect("no thread panics with it");
        if agent.refuses {
            return Says::Body(403, "Permission denied".into());
        }
        if asked.line == "PUT /v1/agent/service/register" {
            agent.services.push(serde_json::from_str(&asked.body).expect("JSON"));
            return Says::Body(200, String::new());
        }
        if let Some(id) = asked.line.strip_prefix("PUT /v1/agent/check/pass/service:") {
            if !agent.services.iter().any(|service| service["ID"] == id) {
                return Says::Body(404, format!("Unknown check \"service:{id}\""));
            }
            agent.passing.insert(id.into());
            return Says::Body(200, String::new());
        }
        if let Some(id) = asked.line.strip_prefix("PUT /v1/agent/service/deregister/") {
            agent.services.retain(|service| service["ID"] != id);
            return Says::Body(200, String::new());
        }
        assert_eq!(asked.line, "GET /v1/health/service/orders?passing=1");
        let passing = agent
            .services
            .iter()
            .filter(|service| service["ID"].as_str().is_some_and(|id| agent.passing.contains(id)));
        let found: Vec<Value> =
            passing.map(|service| json!({ "Node": { "Address": "10.1.1.1" }, "Service": service })).collect();
        Says::Body(200, json!(found).to_string())
    }
}

#[test]
fn nodes_register_and_find_each_other_again_after_the_agent_forgot_them() {
    let agent = Agent::default();
    let mock = Mock::start({
        let agent = agent.clone();
        move |asked| agent.answer(asked)
    });
    let source = || Consul::at(mock.url(), "orders").every(Duration::from_millis(100));
    let (one, two) = (Looking::of(source(), 1), Looking::of(source(), 2));
    one.until_peers(&["10.9.0.2:7000"]);
    two.until_peers(&["10.9.0.1:7000"]);
    (0..2).for_each(|_| drop(mock.until("PUT /v1/agent/service/register")));
    *agent.0.lock().expect("no thread panics with it") = Registered::default(); // as after a restart
    (0..2).for_each(|_| drop(mock.until("PUT /v1/agent/service/register")));
    one.until_peers(&["10.9.0.2:7000"]);
    agent.0.lock().expect("no thread panics with it").refuses = true;
    one.until_failed(SourceFault::Auth, "Permission denied");
    agent.0.lock().expect("no thread panics with it").refuses = false;
    one.until_peers(&["10.9.0.2:7000"]);
    drop(two);
    mock.until("PUT /v1/agent/service/deregister/skep-2");
    one.until_peers(&[]);
    let elsewhere = json!({ "ID": "other", "Address": "", "Port": 7100 });
    let mut known = agent.0.lock().expect("no thread panics with it");
    known.services.push(elsewhere);
    known.passing.insert("other".into());
    drop(known);
    one.until_peers(&["10.1.1.1:7100"]);
}
