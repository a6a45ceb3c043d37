//! Calls of tools as they are recorded, and what becomes of them when their tool is removed.

use stepflow_python::{
    Event, ExecutionId, HistoryFilter, HistoryService, PythonExecutor, RecordState, Tool,
    ToolOrder, ToolService, ToolSettings,
};

use super::{Fresh, all, postgres, recording, request, sqlite, until};

const SOURCE: &str = "import time\ndef wait(seconds: float):\n    time.sleep(seconds)\n";

async fn added(tools: &dyn ToolService) -> Tool {
    let order = ToolOrder {
        name: "waits".parse().unwrap(),
        version: None,
        description: None,
        source: SOURCE.into(),
        settings: ToolSettings::default(),
        replace: false,
    };
    tools.add(order).await.unwrap()
}

/// The executions that a tool is said to have run.
async fn calls(history: &dyn HistoryService, tool: &str) -> Vec<ExecutionId> {
    let filter = HistoryFilter {
        tool: Some(tool.into()),
        ..all()
    };
    let page = history.list(filter).await.unwrap();
    page.executions.into_iter().map(|one| one.id).collect()
}

async fn a_call_is_recorded_with_its_tool(fresh: Fresh) {
    let (bench, _recorder) = recording(&fresh).await;
    let executor = &bench.executor;
    let (tools, history) = (executor.tools().unwrap(), executor.history().unwrap());
    let tool = added(&*tools).await;
    let call = |seconds: &str| {
        let arguments = serde_json::from_str(&format!(r#"{{"seconds": {seconds}}}"#)).unwrap();
        tool.call("wait", arguments).unwrap()
    };
    let is_of_the_tool = async |id: ExecutionId| {
        let summary = history.show(id).await.unwrap().unwrap().summary;
        match (summary.tool.as_deref(), summary.tool_id) {
            (Some("waits"), Some(id)) => id == tool.id,
            (None, None) => false,
            odd => unreachable!("{odd:?}"),
        }
    };
    // One whose end is all that is written, one whose start is, too.
    let brief = executor.start(call("0")).await.unwrap().finish().await;
    let brief = brief.unwrap().id;
    assert!(is_of_the_tool(brief).await);
    let mut running = executor.start(call("600")).await.unwrap();
    let long = running.id();
    assert!(matches!(running.next().await, Some(Event::Started)));
    until(&*history, RecordState::Running).await;
    assert!(is_of_the_tool(long).await);
    let other = executor.start(request("1")).await.unwrap().finish().await;
    let other = other.unwrap().id;
    assert!(!is_of_the_tool(other).await);
    for name in ["waits", &tool.id] {
        assert_eq!(calls(&*history, name).await, [long, brief], "{name}");
    }
    assert_eq!(calls(&*history, "else").await, []);

    // It is removed while one runs, and another has been asked for and has not started.
    tools.remove("waits").await.unwrap();
    assert!(!is_of_the_tool(long).await);
    running.cancel();
    running.finish().await.unwrap();
    let late = executor.start(call("0")).await.unwrap().finish().await;
    let late = late.unwrap().id;
    let mut long_late = executor.start(call("600")).await.unwrap();
    assert!(matches!(long_late.next().await, Some(Event::Started)));
    until(&*history, RecordState::Running).await;
    long_late.cancel();
    long_late.finish().await.unwrap();
    for id in [brief, long, late] {
        assert!(
            !is_of_the_tool(id).await,
            "the record stays, the tool is gone"
        );
        let record = history.show(id).await.unwrap().unwrap();
        assert_eq!(record.summary.state, RecordState::Finished);
        assert_eq!(record.function_name.as_deref(), Some("wait"));
    }
    assert_eq!(history.list(all()).await.unwrap().executions.len(), 5);
}

#[tokio::test]
async fn a_call_is_recorded_with_its_tool_in_sqlite() {
    a_call_is_recorded_with_its_tool(sqlite().await).await;
}

#[tokio::test]
async fn a_call_is_recorded_with_its_tool_in_postgres() {
    if let Some(fresh) = postgres().await {
        a_call_is_recorded_with_its_tool(fresh).await;
    }
}
