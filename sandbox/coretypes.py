"""Which fields the core plugins of a 1.3 server take, as the server itself lists them.

Types are written without `io.kestra.plugin.core.`; `!` marks a field that must be there.
"""

from __future__ import annotations

#: Tasks; the fields that all tasks take are left out.
TASKS = """
debug.Echo: format level
debug.Return: format
execution.Assert: conditions! errorMessage
execution.Count: endDate expression! flows namespaces startDate! states
execution.Exit: state
execution.Fail: condition errorMessage
execution.Labels: labels!
execution.PurgeExecutions: batchSize endDate! flowId namespace purgeExecution purgeLog
    purgeMetric purgeStorage startDate states
execution.Resume: executionId flowId inputs namespace
execution.SetVariables: overwrite variables!
execution.UnsetVariables: ignoreMissing variables!
flow.AllowFailure: errors finally tasks!
flow.Dag: concurrent errors finally tasks!
flow.EachParallel: concurrent errors finally tasks! value!
flow.EachSequential: errors finally tasks! value!
flow.ForEach: concurrencyLimit errors finally tasks! values!
flow.ForEachItem: batch errors finally flowId! inheritLabels inputs items! labels namespace!
    restartBehavior revision scheduleDate tasks transmitFailed wait
flow.If: condition else errors finally then!
flow.LoopUntil: checkFrequency condition! errors failOnMaxReached finally tasks!
flow.Parallel: concurrent errors finally tasks!
flow.Pause: behavior delay errors finally onPause onResume pauseDuration tasks
flow.Sequential: errors finally tasks!
flow.Sleep: duration!
flow.Subflow: flowId! inheritLabels inputs labels namespace! outputs restartBehavior revision
    scheduleDate transmitFailed wait
flow.Switch: cases defaults errors finally value!
flow.Template: args errors finally namespace! templateId! tenantId
flow.WorkingDirectory: cache errors finally inputFiles namespaceFiles outputFiles tasks!
http.Download: allowFailed body contentType failOnEmptyResponse formData headers method options
    params saveAs sslOptions uri!
http.Request: allowFailed body contentType encryptBody formData headers method options params
    sslOptions uri!
http.SseRequest: allowFailed body concatJqExpression contentType failedOnMissingJq formData
    headers method options params sslOptions uri!
kv.Delete: errorOnMissing key! namespace
kv.Get: errorOnMissing key! namespace
kv.GetKeys: namespace prefix
kv.PurgeKV: behavior expiredOnly includeChildNamespaces keyPattern namespacePattern namespaces
kv.Put: errorOnMissing key! namespace value!
kv.Set: key! kvDescription kvType namespace overwrite ttl value!
log.Fetch: executionId flowId level namespace tasksId
log.Log: level message!
log.PurgeLogs: endDate! executionId flowId logLevels namespace startDate
metric.Publish: metrics
namespace.DeleteFiles: deleteParentFolder files! namespace!
namespace.DownloadFiles: destination files! namespace!
namespace.PurgeFiles: behavior filePattern includeChildNamespaces namespacePattern namespaces
namespace.UploadFiles: conflict destination files filesMap namespace!
output.OutputValues: values
state.Delete: errorOnMissing name namespace taskrunValue
state.Get: errorOnMissing name namespace taskrunValue
state.Set: data name namespace taskrunValue
storage.Concat: extension files! separator
storage.DeduplicateItems: expr! from!
storage.Delete: errorOnMissing uri!
storage.FilterItems: errorOrNullBehavior filterCondition! filterType from!
storage.LocalFiles: inputs outputs
storage.PurgeCurrentExecutionFiles:
storage.PurgeStorage: dryRun endDate! flowId namespace startDate
storage.Reverse: charset from! separator
storage.Size: uri!
storage.Split: bytes from! partitions regexPattern rows separator
storage.Write: content! extension
templating.TemplatedTask: spec!
trigger.Toggle: enabled flowId namespace trigger!
"""

#: Triggers; the fields that all triggers take are left out.
TRIGGERS = """
http.Trigger: body contentType encryptBody formData headers interval method options params
    responseCondition sslOptions uri!
trigger.Flow: inputs preconditions states
trigger.Schedule: backfill cron! inputs interval lateMaximumDelay recoverMissedSchedules
    scheduleConditions timezone withSeconds
trigger.ScheduleOnDates: dates! inputs interval recoverMissedSchedules timezone
trigger.Webhook: inputs key! responseCode responseContentType returnOutputs wait
"""

#: Conditions; `type` is left out.
CONDITIONS = """
condition.DateTimeBetween: after before date
condition.DayWeek: date dayOfWeek!
condition.DayWeekInMonth: date dayInMonth! dayOfWeek!
condition.ExecutionFlow: flowId! namespace!
condition.ExecutionLabels: labels!
condition.ExecutionNamespace: comparison namespace! prefix
condition.ExecutionOutputs: expression!
condition.ExecutionStatus: in notIn
condition.Expression: expression!
condition.FlowCondition: flowId! namespace!
condition.FlowNamespaceCondition: namespace! prefix
condition.HasRetryAttempt: in notIn
condition.MultipleCondition: conditions! id! resetOnSuccess timeWindow window windowAdvance
condition.Not: conditions!
condition.Or: conditions!
condition.PublicHoliday: country date subDivision
condition.TimeBetween: after before date
condition.Weekend: date
"""

#: Types whose fields are not checked: charts, their queries, runners.
OTHERS = """
dashboard.chart.Bar dashboard.chart.KPI dashboard.chart.Markdown dashboard.chart.Pie
dashboard.chart.Table dashboard.chart.TimeSeries dashboard.data.Executions
dashboard.data.ExecutionsKPI dashboard.data.Flows dashboard.data.FlowsKPI dashboard.data.Logs
dashboard.data.LogsKPI dashboard.data.Metrics dashboard.data.MetricsKPI dashboard.data.Triggers
runner.Process
"""

#: Names of older releases that still load, each with its present name.
RENAMED = """
io.kestra.core.models.triggers.types.Flow trigger.Flow
io.kestra.core.models.triggers.types.Schedule trigger.Schedule
io.kestra.core.models.triggers.types.Webhook trigger.Webhook
io.kestra.core.tasks.debugs.Echo debug.Echo
io.kestra.core.tasks.debugs.Return debug.Return
io.kestra.core.tasks.executions.Counts execution.Count
io.kestra.core.tasks.executions.Fail execution.Fail
io.kestra.core.tasks.executions.Labels execution.Labels
io.kestra.core.tasks.flows.AllowFailure flow.AllowFailure
io.kestra.core.tasks.flows.Dag flow.Dag
io.kestra.core.tasks.flows.EachParallel flow.EachParallel
io.kestra.core.tasks.flows.EachSequential flow.EachSequential
io.kestra.core.tasks.flows.Flow flow.Subflow
io.kestra.core.tasks.flows.ForEachItem flow.ForEachItem
io.kestra.core.tasks.flows.If flow.If
io.kestra.core.tasks.flows.Parallel flow.Parallel
io.kestra.core.tasks.flows.Pause flow.Pause
io.kestra.core.tasks.flows.Sequential flow.Sequential
io.kestra.core.tasks.flows.Subflow flow.Subflow
io.kestra.core.tasks.flows.Switch flow.Switch
io.kestra.core.tasks.flows.Worker flow.WorkingDirectory
io.kestra.core.tasks.flows.WorkingDirectory flow.WorkingDirectory
io.kestra.core.tasks.log.Fetch log.Fetch
io.kestra.core.tasks.log.Log log.Log
io.kestra.core.tasks.states.Delete state.Delete
io.kestra.core.tasks.states.Get state.Get
io.kestra.core.tasks.states.Set state.Set
io.kestra.core.tasks.storages.Concat storage.Concat
io.kestra.core.tasks.storages.DeduplicateItems storage.DeduplicateItems
io.kestra.core.tasks.storages.Delete storage.Delete
io.kestra.core.tasks.storages.FilterItems storage.FilterItems
io.kestra.core.tasks.storages.LocalFiles storage.LocalFiles
io.kestra.core.tasks.storages.Purge execution.PurgeExecutions
io.kestra.core.tasks.storages.PurgeExecution storage.PurgeCurrentExecutionFiles
io.kestra.core.tasks.storages.Reverse storage.Reverse
io.kestra.core.tasks.storages.Size storage.Size
io.kestra.core.tasks.storages.Split storage.Split
io.kestra.core.tasks.templating.TemplatedTask templating.TemplatedTask
io.kestra.core.tasks.trigger.Toggle trigger.Toggle
io.kestra.plugin.core.storage.Purge execution.PurgeExecutions
io.kestra.plugin.core.storage.PurgeExecution storage.PurgeCurrentExecutionFiles
io.kestra.plugin.fs.http.Download http.Download
io.kestra.plugin.fs.http.Request http.Request
io.kestra.plugin.fs.http.Trigger http.Trigger
"""
