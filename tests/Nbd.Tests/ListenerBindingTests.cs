using System.Net;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Addresses;
using StorageOs.NbdExport.Interop;

namespace StorageOs.Nbd.Tests;

/// <summary>Two nodes that try for one listening socket at the same moment.</summary>
public sealed class ListenerBindingTests
{
    [Fact]
    public void While_the_other_node_holds_the_lock_there_is_no_socket_and_no_exception()
    {
        string folder = Directory.CreateTempSubdirectory("binding-").FullName;
        try
        {
            AddressSettings settings = new(new GroupId(0), IPAddress.Loopback, 23_456, folder);
            using (new FileStream(
                settings.LockPath, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            {
                Assert.Null(ListenerBinding.TryBind(settings, out string why));
                Assert.NotEmpty(why);
            }

            using Descriptor? had = ListenerBinding.TryBind(settings, out string none);
            Assert.NotNull(had);
            Assert.Empty(none);
            Assert.Null(ListenerBinding.TryBind(settings, out string taken));
            Assert.Contains("in use", taken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
