#!/bin/bash
# Two nodes train together: sbatch slurm.sh
#SBATCH --job-name=routing
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --time=08:00:00
# Before the time is over workers are asked to stop, and write a checkpoint. The same sbatch continues.
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail

addresses=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed 's/.*/"&:2222"/' | paste -sd, -)
export CLUSTER="{\"worker\": [$addresses]}"

# In single quotes: each task has its own number. When one fails, the others cannot go on.
srun --kill-on-bad-exit=1 bash -c '
    export TF_CONFIG="{\"cluster\": $CLUSTER, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
    exec tf-routing fit --model resnet20_2cc --dataset cifar10 --recipe multipath_resnet --data_dir shared/data \
        --output shared/runs/resnet20_2cc --strategy multiworker --checkpoint_every 200
'
