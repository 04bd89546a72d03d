"""Each failure of the table, and a test in which it really comes up; conftest.py holds these tests to it.

A new failure needs a test here: one on the worker node or the pool where it can be had.
"""

_RUN = "tests/run_test.py::"
_ONE = f"{_RUN}test_a_failure_is_one_sentence_a_code_of_jobwraps_own_and_a_record"
_IMAGE = "tests/image/"
_UNDER_THE_TASK = f"{_IMAGE}faults_test.py::test_what_happened_to_the_image_under_the_task_is_named"
_OVER = "tests/launch/usage_test.py::test_where_the_site_wants_it_a_task_over_its_limit_is_ended_by_name"

PRODUCED = {
    "job.usage": f"{_ONE}[words8-job.usage]",
    "job.file": "tests/failures_test.py::test_a_job_file_that_is_none_is_told_with_its_path",
    "job.no_credential": "tests/launch/credentials_test.py::"
    "test_one_that_is_nowhere_is_named_with_the_places[box]",
    "policy.forbidden": f"{_ONE}[words9-policy.forbidden]",
    "input.not_found": f"{_ONE}[words1-input.not_found]",
    "input.unreachable": "tests/transfer/faults_test.py::"
    "test_refused_connections_and_unknown_hosts_are_named",
    "input.denied": "tests/transfer/faults_test.py::test_only_what_may_change_is_tried_again[403-denied-1]",
    "input.checksum": f"{_ONE}[words2-input.checksum]",
    "input.scheme": "tests/transfer/fetch_test.py::test_a_final_failure_is_named_and_leaves_nothing"
    "[gopher://localhost/x-None-input.scheme]",
    "input.archive": "tests/transfer/archive_test.py::test_a_zip_that_leads_outside_is_refused[names0]",
    "input.no_space": "tests/transfer/room_test.py::test_a_file_larger_than_the_allowance_is_not_begun",
    "image.none": f"{_IMAGE}choose_test.py::test_no_image_and_no_default_is_the_users",
    "image.not_found": f"{_ONE}[words0-image.not_found]",
    "image.unreachable": f"{_IMAGE}pull_test.py::test_a_pull_that_fails_is_named_and_leaves_nothing",
    "image.broken": f"{_IMAGE}faults_test.py::test_a_tag_whose_content_is_gone_is_the_images",
    "image.needs_cpu": f"{_IMAGE}refusal_test.py::test_a_program_in_the_image",
    "image.needs_kernel": "tests/failures_test.py::test_a_program_for_a_newer_kernel_is_refused",
    "image.needs_gpu": "tests/failures_test.py::test_an_image_for_gpus_of_another_vendor_is_refused",
    "image.driver_clash": f"{_IMAGE}nvidia_test.py::"
    "test_the_refusal_names_the_library_the_versions_and_the_image",
    "image.unpinned": f"{_IMAGE}pull_test.py::test_only_a_digest_pins_it",
    "image.withdrawn": f"{_UNDER_THE_TASK}[gone-/.images/00-image.withdrawn]",
    "image.unsupported": f"{_IMAGE}choose_test.py::"
    "test_what_cannot_be_run_is_refused_before_anything_is_read[a b]",
    "site.no_python": "tests/build/python_test.py::test_an_older_python3_is_named_with_its_version",
    "site.no_runtime": f"{_RUN}test_without_a_runtime_the_site_is_named",
    "site.no_nesting": f"{_RUN}test_in_a_container_that_does_not_allow_another_the_site_is_named",
    "site.no_user_namespaces": f"{_RUN}test_on_a_node_without_user_namespaces_the_site_is_named",
    "site.runtime_failed": "tests/diagnose_test.py::test_a_runtime_that_is_only_half_installed_is_the_sites",
    "site.cvmfs_missing": f"{_UNDER_THE_TASK}[gone-/-site.cvmfs_missing]",
    "site.cvmfs_broken": "tests/evidence/cvmfs_test.py"
    "::test_a_container_that_cannot_start_for_want_of_cvmfs_is_charged_to_that",
    "site.cvmfs_hung": f"{_IMAGE}faults_test.py::"
    "test_a_tree_that_hangs_anywhere_is_named_within_the_deadline[/]",
    "site.storage": f"{_IMAGE}faults_test.py::test_a_bind_that_hangs_is_not_blamed_on_the_tree",
    "site.scratch": f"{_RUN}test_an_unwritable_scratch_folder_is_told_on_stderr_record_and_all",
    "site.exhausted": "tests/diagnose_test.py::"
    "test_a_node_without_room_for_a_process_or_file_is_the_sites[nproc]",
    "site.settings": "tests/settings_test.py::test_a_file_with_a_mistake_is_refused_whole[policy = 1\\n]",
    "site.catalog": f"{_IMAGE}published_test.py::test_neither_a_password_nor_a_query_is_told",
    "site.no_gpu": "tests/node/gpu_test.py::test_a_grant_on_a_node_without_gpus_is_the_sites_failure",
    "site.gpu_broken": "tests/node/gpu_test.py::test_a_driver_that_does_not_answer_is_the_sites_failure",
    "site.unsupported_cpu": "tests/launch/gate_program_test.py::test_a_machine_without_a_gate_is_named",
    "task.failed": f"{_RUN}test_the_tasks_exit_code_is_jobwraps_and_the_record_says_whose_it_is[7]",
    "task.killed": f"{_RUN}test_a_task_ended_by_a_signal_is_128_and_the_signal[11]",
    "task.not_found": f"{_ONE}[words3-task.not_found]",
    "task.not_executable": "tests/evidence/evidence_test.py::test_a_missing_interpreter_is_named",
    "output.scheme": "tests/stage/deliverable_test.py::test_what_nobody_serves_is_named[data:,x]",
    "output.missing": f"{_ONE}[words7-output.missing]",
    "output.refused": f"{_RUN}test_an_output_that_leaves_scratch_is_refused[mkfifo out]",
    "output.undelivered": "tests/transfer/deliver_test.py::"
    "test_a_refusal_is_told_and_the_body_is_not_sent_to_it",
    "limit.time": f"{_RUN}test_a_task_that_runs_too_long_is_ended_by_name",
    "limit.memory": "tests/launch/usage_test.py::test_who_ignores_that_is_killed_after_the_grace_period",
    "limit.disk": f"{_OVER}[policy1-word1-head -c 50M /dev/zero > out; sleep 60-limit.disk]",
    "batch.terminated": f"{_RUN}test_the_batch_systems_term_reaches_the_task_and_the_record",
    "batch.evicted": "tests/condor_test.py::test_an_evicted_jobs_record_says_that_the_batch_system_ended_it",
    "batch.held": "tests/record/cause_pool_test.py::test_a_hold_is_told_with_its_reason",
    "batch.removed": "tests/record/cause_pool_test.py::test_a_removal_is_told_as_one",
    "batch.lost": "tests/record/storm_test.py"
    "::test_after_sigkill_in_any_phase_the_record_is_valid_and_tells_the_phase",
    "jobwrap.bug": "tests/record/secrets_test.py"
    "::test_a_defect_of_jobwraps_own_ends_in_a_record_and_a_traceback_without_secrets",
}
