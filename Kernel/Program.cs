using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;

return await CommandLine.RunAsync(args, () => throw new RefusedException(new Refusal(
    "boot", "a connection manager linked into this kernel", "none")));
