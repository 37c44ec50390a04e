using StorageOs.Fuzz;

return FuzzCommand.Make().Parse(args).Invoke();
