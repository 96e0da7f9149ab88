//! What a recorder of the `metrics` crate is told, here that of the exporter for Prometheus.
#![cfg(feature = "metrics")]

use std::convert::Infallible;
use std::thread;
use std::time::{Duration, Instant};

use loopscope::Config;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Far beyond what any of these takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The figure of a metric, labels and all, once it is there.
fn figure(told: &PrometheusHandle, name: &str, is: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = told.render();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let figure = lines.find(|(of, _)| *of == name);
        let figure = figure.and_then(|(_, figure)| figure.parse().ok());
        if figure.is_some_and(&is) {
            return;
        }
        assert!(Instant::now() < deadline, "{name}: {figure:?} in\n{text}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn figures_and_findings_are_told_to_the_recorder_of_the_service() {
    let told = PrometheusBuilder::new().install_recorder().unwrap();
    let scope = loopscope::install(Config::from_env().service("tests")).unwrap();
    let mut builder = scope.runtime_builder("main");
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let call = scope.track_call("agent", "ask", async { Ok::<_, Infallible>(()) });
        call.await.unwrap();
        drop(scope.spawn("sleeps", tokio::time::sleep(PATIENCE * 2)));
    });
    let call = r#"{loopscope_call_group="agent",loopscope_call_name="ask"}"#;
    figure(&told, &format!("loopscope_call_started{call}"), |one| {
        one == 1.0
    });
    figure(&told, "loopscope_health_status", |one| one == 0.0);
    figure(&told, "loopscope_task_active", |one| one == 1.0);
    figure(&told, "process_memory_usage", |bytes| bytes > 1e6);
    let blocks = runtime.spawn(async { thread::sleep(Duration::from_millis(4_000)) });
    let stall = r#"loopscope_incident_active{kind="loop_stall",severity="degraded"}"#;
    figure(&told, stall, |one| one == 1.0);
    let busy = r#"loopscope_eventloop_busy{loopscope_eventloop_name="main/0"}"#;
    figure(&told, busy, |seconds| seconds > 0.1);
    runtime.block_on(blocks).unwrap();
    figure(&told, stall, |one| one == 0.0);
    figure(&told, busy, |seconds| seconds == 0.0);
    let blocks = r#"loopscope_eventloop_blocks{loopscope_eventloop_name="main/0"}"#;
    figure(&told, blocks, |one| one == 1.0);
    runtime.shutdown_background();
}
