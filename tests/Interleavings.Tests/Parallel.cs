// One scheduler at a time: which bug is awake, and what scenarios count, is one per process.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
