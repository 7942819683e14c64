#!/usr/bin/env bash
# A sweep on the nodes of a Slurm allocation. Before the time limit it stops properly, queues itself again and goes on.
#
#   sbatch scripts/cluster/slurm.sh cars-1 search_spaces/transfer_resnet50.toml --data /shared/cars --results /shared/results --trials 200
#
# Begin:   from the root of a checkout that all nodes see, after scripts/setup there. --results has to lie on a file
#          system with locks that all nodes see. Sizes: below, or as options of sbatch before the script's name.
# Watch:   tail --follow carsray-JOBID.log
# Resume:  by itself after a time limit, a preemption (where the site requeues) and a lost node; after scancel the same
#          command.
# End:     scancel JOBID
# Cost:    the allocation, until the sweep is through; --budget-hours ends it earlier.
#
# The order of its steps is tested with stand-ins for srun and Ray; not run on Slurm.
#SBATCH --job-name=carsray
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=carsray-%j.log
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }

export PATH="$PWD/.venv/bin:$PATH" # sbatch starts a script where it was submitted
# Other users reach these nodes: Ray listens on a port of its own for each job, answers only to the token, which the
# nodes read from the home folder, and shows no dashboard.
(umask 077 && ray get-auth-token --generate >/dev/null)
export RAY_AUTH_MODE=token
ip=$(hostname -I | cut -d ' ' -f 1)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
address=$ip:$port
node=(ray start --block --disable-usage-stats "--num-cpus=$SLURM_CPUS_PER_TASK" "--temp-dir=/tmp/ray-$SLURM_JOB_ID")
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK # which srun no longer takes from sbatch by itself
others=$((SLURM_JOB_NUM_NODES - 1))

# Signals come to this shell. Near the limit the job is to be queued again; a job that is cancelled is not, and one that
# is preempted Slurm queues itself.
sweep='' near_limit=false
stop() { [ -z "$sweep" ] || kill -TERM "$sweep" 2>/dev/null || true; }
trap 'near_limit=true; stop' USR1
trap stop TERM

srun --overlap --nodes=1 --ntasks=1 --nodelist="$SLURMD_NODENAME" \
  "${node[@]}" --head --node-ip-address="$ip" --port="$port" --include-dashboard=false &
head=$!
until ray health-check --address="$address" >/dev/null 2>&1; do
  kill -0 "$head" || exit 1 # it said why
  sleep 2
done
if [ "$others" -gt 0 ]; then # --wait, --kill-on-bad-exit: a worker that is lost does not take the others along
  srun --overlap --nodes="$others" --ntasks="$others" --exclude="$SLURMD_NODENAME" --wait=0 --kill-on-bad-exit=0 \
    "${node[@]}" --address="$address" &
fi

# The record keeps the address "auto", which RAY_ADDRESS decides: the next job has another one. Packs belong on a disk
# of the node, at a path that the next job has as well.
RAY_ADDRESS=$address CARSRAY_AWAIT="CPU $((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK))" \
  scripts/cluster/sweep-or-resume "$1" "$2" --cache "/tmp/carsray-$(id -un)" "${@:3}" &
sweep=$!
code=0
wait "$sweep" || code=$?
while kill -0 "$sweep" 2>/dev/null; do # a signal ends the wait, not the sweep, which still puts itself away
  code=0
  wait "$sweep" || code=$?
done

if $near_limit && [ "$code" -ne 0 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
