// A node's process for tests: NAME PARTNER PORT DIRECTORY SIZE_MIB [VOLUME_FILE].
// Commands on standard input: own, disown, stop. Answers each with its name when it is done.

using System.Globalization;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Nbd.Host;

var volume = new TestVolume(
    "vol0", new GroupId(0), long.Parse(args[4], CultureInfo.InvariantCulture) * Size.MiB,
    args.Length > 5 ? args[5] : null);
var log = new LogTo(Console.Error.WriteLine);
using var node = new TestNode(args[0], args[1],
    ushort.Parse(args[2], CultureInfo.InvariantCulture), args[3], volume, log);
Console.WriteLine("ready");
while (Console.ReadLine() is { } line && line != "stop")
{
    node.Own(line == "own");
    Console.WriteLine(line);
}
