// The shards of one batch as Nextflow tasks, on any executor; all write into one folder of results on a shared file system.
//   nextflow run main.nf --recipe night.ini --cases night.csv --out /shared/out --shards 8
// Resuming is microtome's own: a task that is run again finds what is done (a finished batch takes a second per 1,000 cases).
nextflow.enable.dsl = 2

params.recipe = null
params.cases  = null
params.out    = null
params.shards = 4

process MICROTOME {
    tag "${shard}/${params.shards}"
    cpus 8
    memory '16 GB'
    cache false
    // 75: stopped, cases are left. 65: cases failed, and `microtome status` says which: the other shards go on.
    errorStrategy { task.exitStatus in [75, 137, 143] ? 'retry' : task.exitStatus == 65 ? 'ignore' : 'finish' }
    maxRetries 20

    input:
    val shard

    output:
    val shard

    script:
    """
    microtome run --shard ${shard}/${params.shards} --threads ${task.cpus} -r '${file(params.recipe).toAbsolutePath()}' \
        -o '${file(params.out).toAbsolutePath()}' '${file(params.cases).toAbsolutePath()}'
    """
}

process ACCOUNT {
    cache false
    errorStrategy 'terminate' // cases that failed or are missing: the workflow ends with an error

    input:
    val shards

    output:
    stdout

    script:
    """
    microtome status --brief '${file(params.out).toAbsolutePath()}'
    """
}

workflow {
    if (!params.recipe || !params.cases || !params.out)
        error 'give --recipe, --cases and --out'
    MICROTOME(Channel.of(1..params.shards))
    ACCOUNT(MICROTOME.out.collect().ifEmpty([])).view()
}
