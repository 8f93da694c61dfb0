"""Sweeps on a real Slurm cluster of two nodes."""


def test_an_array_runs_on_all_nodes_and_tells_how_it_ended(cluster, tmp_path):
    job = cluster.submit(
        "echo $SLURMD_NODENAME; exit $SLURM_ARRAY_TASK_ID", "--array=0-3", cwd=tmp_path
    )
    tasks = cluster.wait(job)
    assert [task["ExitCode"] for task in tasks] == ["0:0", "1:0", "2:0", "3:0"]
    assert set(cluster.logs(job).split()) == {"n0", "n1"}
