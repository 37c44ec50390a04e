using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Cli;

return await CommandLine.RunAsync(args, () => new CorePlugin());
