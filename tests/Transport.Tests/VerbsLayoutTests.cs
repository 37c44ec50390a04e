using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Tests;

/// <summary>
/// Offsets, sizes and values that the interop of the verbs transport relies on, beside what a C
/// compiler says of the installed headers (libibverbs-dev, librdmacm-dev).
/// </summary>
public sealed class VerbsLayoutTests
{
    private static readonly (string Expression, long Ours)[] Facts =
    [
        ("offsetof(struct ibv_context, device)", IbvOffsets.ContextDevice),
        ("offsetof(struct ibv_context, ops.poll_cq)", IbvOffsets.ContextPollCq),
        ("offsetof(struct ibv_context, ops.req_notify_cq)", IbvOffsets.ContextReqNotifyCq),
        ("offsetof(struct ibv_context, ops.post_send)", IbvOffsets.ContextPostSend),
        ("offsetof(struct ibv_context, async_fd)", IbvOffsets.ContextAsyncFd),
        ("offsetof(struct ibv_qp, context)", IbvOffsets.QpContext),
        ("offsetof(struct ibv_qp, qp_num)", IbvOffsets.QpNumber),
        ("offsetof(struct ibv_cq, context)", IbvOffsets.CqContext),
        ("offsetof(struct ibv_mr, lkey)", IbvOffsets.MrLkey),
        ("offsetof(struct ibv_mr, rkey)", IbvOffsets.MrRkey),
        ("offsetof(struct ibv_comp_channel, fd)", IbvOffsets.CompChannelFd),
        ("sizeof(struct ibv_sge)", Unsafe.SizeOf<IbvSge>()),
        Field<IbvSge>("ibv_sge", "addr", nameof(IbvSge.Address)),
        Field<IbvSge>("ibv_sge", "length", nameof(IbvSge.Length)),
        Field<IbvSge>("ibv_sge", "lkey", nameof(IbvSge.Lkey)),
        ("sizeof(struct ibv_send_wr)", Unsafe.SizeOf<IbvSendWr>()),
        Field<IbvSendWr>("ibv_send_wr", "wr_id", nameof(IbvSendWr.WrId)),
        Field<IbvSendWr>("ibv_send_wr", "next", nameof(IbvSendWr.Next)),
        Field<IbvSendWr>("ibv_send_wr", "sg_list", nameof(IbvSendWr.SgList)),
        Field<IbvSendWr>("ibv_send_wr", "num_sge", nameof(IbvSendWr.NumSge)),
        Field<IbvSendWr>("ibv_send_wr", "opcode", nameof(IbvSendWr.Opcode)),
        Field<IbvSendWr>("ibv_send_wr", "send_flags", nameof(IbvSendWr.SendFlags)),
        Field<IbvSendWr>("ibv_send_wr", "imm_data", nameof(IbvSendWr.ImmData)),
        Field<IbvSendWr>("ibv_send_wr", "wr.rdma.remote_addr", nameof(IbvSendWr.RemoteAddress)),
        Field<IbvSendWr>("ibv_send_wr", "wr.rdma.rkey", nameof(IbvSendWr.Rkey)),
        ("sizeof(struct ibv_wc)", Unsafe.SizeOf<IbvWc>()),
        Field<IbvWc>("ibv_wc", "wr_id", nameof(IbvWc.WrId)),
        Field<IbvWc>("ibv_wc", "status", nameof(IbvWc.Status)),
        Field<IbvWc>("ibv_wc", "opcode", nameof(IbvWc.Opcode)),
        Field<IbvWc>("ibv_wc", "vendor_err", nameof(IbvWc.VendorError)),
        Field<IbvWc>("ibv_wc", "qp_num", nameof(IbvWc.QpNumber)),
        Field<IbvWc>("ibv_wc", "dlid_path_bits", nameof(IbvWc.DlidPathBits)),
        ("sizeof(struct ibv_qp_cap)", Unsafe.SizeOf<IbvQpCap>()),
        Field<IbvQpCap>("ibv_qp_cap", "max_inline_data", nameof(IbvQpCap.MaxInlineData)),
        ("sizeof(struct ibv_qp_init_attr)", Unsafe.SizeOf<IbvQpInitAttr>()),
        Field<IbvQpInitAttr>("ibv_qp_init_attr", "send_cq", nameof(IbvQpInitAttr.SendCq)),
        Field<IbvQpInitAttr>("ibv_qp_init_attr", "recv_cq", nameof(IbvQpInitAttr.RecvCq)),
        Field<IbvQpInitAttr>("ibv_qp_init_attr", "cap", nameof(IbvQpInitAttr.Cap)),
        Field<IbvQpInitAttr>("ibv_qp_init_attr", "qp_type", nameof(IbvQpInitAttr.QpType)),
        ("sizeof(struct ibv_ah_attr)", Unsafe.SizeOf<IbvAhAttr>()),
        Field<IbvAhAttr>("ibv_ah_attr", "grh.dgid", nameof(IbvAhAttr.DestinationGid)),
        Field<IbvAhAttr>("ibv_ah_attr", "grh.sgid_index", nameof(IbvAhAttr.SourceGidIndex)),
        Field<IbvAhAttr>("ibv_ah_attr", "grh.hop_limit", nameof(IbvAhAttr.HopLimit)),
        Field<IbvAhAttr>("ibv_ah_attr", "dlid", nameof(IbvAhAttr.Dlid)),
        Field<IbvAhAttr>("ibv_ah_attr", "is_global", nameof(IbvAhAttr.IsGlobal)),
        Field<IbvAhAttr>("ibv_ah_attr", "port_num", nameof(IbvAhAttr.PortNumber)),
        ("sizeof(struct ibv_qp_attr)", Unsafe.SizeOf<IbvQpAttr>()),
        Field<IbvQpAttr>("ibv_qp_attr", "qp_state", nameof(IbvQpAttr.QpState)),
        Field<IbvQpAttr>("ibv_qp_attr", "path_mtu", nameof(IbvQpAttr.PathMtu)),
        Field<IbvQpAttr>("ibv_qp_attr", "rq_psn", nameof(IbvQpAttr.RqPsn)),
        Field<IbvQpAttr>("ibv_qp_attr", "sq_psn", nameof(IbvQpAttr.SqPsn)),
        Field<IbvQpAttr>("ibv_qp_attr", "dest_qp_num", nameof(IbvQpAttr.DestinationQpNumber)),
        Field<IbvQpAttr>("ibv_qp_attr", "qp_access_flags", nameof(IbvQpAttr.QpAccessFlags)),
        Field<IbvQpAttr>("ibv_qp_attr", "cap", nameof(IbvQpAttr.Cap)),
        Field<IbvQpAttr>("ibv_qp_attr", "ah_attr", nameof(IbvQpAttr.AhAttr)),
        Field<IbvQpAttr>("ibv_qp_attr", "alt_ah_attr", nameof(IbvQpAttr.AlternateAhAttr)),
        Field<IbvQpAttr>("ibv_qp_attr", "pkey_index", nameof(IbvQpAttr.PkeyIndex)),
        Field<IbvQpAttr>("ibv_qp_attr", "max_rd_atomic", nameof(IbvQpAttr.MaxRdAtomic)),
        Field<IbvQpAttr>(
            "ibv_qp_attr", "max_dest_rd_atomic", nameof(IbvQpAttr.MaxDestinationRdAtomic)),
        Field<IbvQpAttr>("ibv_qp_attr", "min_rnr_timer", nameof(IbvQpAttr.MinRnrTimer)),
        Field<IbvQpAttr>("ibv_qp_attr", "port_num", nameof(IbvQpAttr.PortNumber)),
        Field<IbvQpAttr>("ibv_qp_attr", "timeout", nameof(IbvQpAttr.Timeout)),
        Field<IbvQpAttr>("ibv_qp_attr", "retry_cnt", nameof(IbvQpAttr.RetryCount)),
        Field<IbvQpAttr>("ibv_qp_attr", "rnr_retry", nameof(IbvQpAttr.RnrRetry)),
        Field<IbvQpAttr>("ibv_qp_attr", "rate_limit", nameof(IbvQpAttr.RateLimit)),
        ("sizeof(struct ibv_async_event)", Unsafe.SizeOf<IbvAsyncEvent>()),
        Field<IbvAsyncEvent>("ibv_async_event", "event_type", nameof(IbvAsyncEvent.EventType)),
        ("sizeof(struct ibv_device_attr)", Unsafe.SizeOf<IbvDeviceAttr>()),
        Field<IbvDeviceAttr>("ibv_device_attr", "max_qp", nameof(IbvDeviceAttr.MaxQp)),
        Field<IbvDeviceAttr>("ibv_device_attr", "max_qp_wr", nameof(IbvDeviceAttr.MaxQpWr)),
        Field<IbvDeviceAttr>("ibv_device_attr", "max_cqe", nameof(IbvDeviceAttr.MaxCqe)),
        Field<IbvDeviceAttr>(
            "ibv_device_attr", "max_qp_rd_atom", nameof(IbvDeviceAttr.MaxQpRdAtom)),
        Field<IbvDeviceAttr>(
            "ibv_device_attr", "max_qp_init_rd_atom", nameof(IbvDeviceAttr.MaxQpInitRdAtom)),
        Field<IbvDeviceAttr>(
            "ibv_device_attr", "phys_port_cnt", nameof(IbvDeviceAttr.PhysicalPortCount)),
        Field<IbvPortAttr>("ibv_port_attr", "state", nameof(IbvPortAttr.State)),
        Field<IbvPortAttr>("ibv_port_attr", "active_mtu", nameof(IbvPortAttr.ActiveMtu)),
        Field<IbvPortAttr>("ibv_port_attr", "gid_tbl_len", nameof(IbvPortAttr.GidTableLength)),
        Field<IbvPortAttr>("ibv_port_attr", "lid", nameof(IbvPortAttr.Lid)),
        Field<IbvPortAttr>("ibv_port_attr", "link_layer", nameof(IbvPortAttr.LinkLayer)),
        ("sizeof(struct ibv_gid_entry)", Unsafe.SizeOf<IbvGidEntry>()),
        Field<IbvGidEntry>("ibv_gid_entry", "gid_index", nameof(IbvGidEntry.GidIndex)),
        Field<IbvGidEntry>("ibv_gid_entry", "gid_type", nameof(IbvGidEntry.GidType)),
        ("offsetof(struct rdma_cm_id, verbs)", CmOffsets.IdVerbs),
        ("offsetof(struct rdma_cm_id, context)", CmOffsets.IdContext),
        ("offsetof(struct rdma_cm_id, route.addr.dst_addr)", CmOffsets.IdDestination),
        ("offsetof(struct rdma_cm_id, port_num)", CmOffsets.IdPort),
        ("offsetof(struct rdma_cm_event, id)", CmOffsets.EventId),
        ("offsetof(struct rdma_cm_event, listen_id)", CmOffsets.EventListenId),
        ("offsetof(struct rdma_cm_event, event)", CmOffsets.EventKind),
        ("offsetof(struct rdma_cm_event, status)", CmOffsets.EventStatus),
        ("offsetof(struct rdma_cm_event, param.conn)", CmOffsets.EventParameters),
        ("offsetof(struct rdma_event_channel, fd)", CmOffsets.ChannelFd),
        ("sizeof(struct rdma_conn_param)", Unsafe.SizeOf<RdmaConnParam>()),
        Field<RdmaConnParam>("rdma_conn_param", "private_data", nameof(RdmaConnParam.PrivateData)),
        Field<RdmaConnParam>(
            "rdma_conn_param", "private_data_len", nameof(RdmaConnParam.PrivateDataLength)),
        Field<RdmaConnParam>(
            "rdma_conn_param", "responder_resources", nameof(RdmaConnParam.ResponderResources)),
        Field<RdmaConnParam>(
            "rdma_conn_param", "initiator_depth", nameof(RdmaConnParam.InitiatorDepth)),
        Field<RdmaConnParam>("rdma_conn_param", "retry_count", nameof(RdmaConnParam.RetryCount)),
        Field<RdmaConnParam>("rdma_conn_param", "qp_num", nameof(RdmaConnParam.QpNumber)),
        ("sizeof(struct sockaddr_in6)", Unsafe.SizeOf<SocketAddress6>()),
        ("sizeof(struct epoll_event)", Unsafe.SizeOf<EpollEvent>()),
        ("offsetof(struct epoll_event, data)", Offset<EpollEvent>(nameof(EpollEvent.Data))),
        ("sizeof(struct rlimit)", Unsafe.SizeOf<ResourceLimit>()),
        ("AF_INET6", 10),
        ("RDMA_PS_TCP", RdmaCm.RDMA_PS_TCP),
        ("RDMA_CM_EVENT_CONNECT_REQUEST", (long)CmEventKind.ConnectRequest),
        ("RDMA_CM_EVENT_CONNECT_RESPONSE", (long)CmEventKind.ConnectResponse),
        ("RDMA_CM_EVENT_ESTABLISHED", (long)CmEventKind.Established),
        ("RDMA_CM_EVENT_DISCONNECTED", (long)CmEventKind.Disconnected),
        ("RDMA_CM_EVENT_DEVICE_REMOVAL", (long)CmEventKind.DeviceRemoval),
        ("RDMA_CM_EVENT_TIMEWAIT_EXIT", (long)CmEventKind.TimewaitExit),
        ("MAP_POPULATE", Libc.MAP_POPULATE),
        ("MAP_HUGETLB", Libc.MAP_HUGETLB),
        ("MADV_DONTFORK", Libc.MADV_DONTFORK),
        ("O_NONBLOCK", Libc.O_NONBLOCK),
        ("F_DUPFD_CLOEXEC", Libc.F_DUPFD_CLOEXEC),
        ("RLIMIT_MEMLOCK", Libc.RLIMIT_MEMLOCK),
        ("EPOLLET", Libc.EPOLLET),
    ];

    [Fact]
    public void Layouts_are_those_of_the_headers()
    {
        (string Expression, long Ours)[] facts = [.. Facts, .. NamedConstants()];
        long[] theirs = Compile(facts.Select(f => f.Expression));
        Assert.Equal(facts.Length, theirs.Length);
        Assert.Equal(
            facts.Select((f, i) => $"{f.Expression} = {theirs[i]}"),
            facts.Select(f => $"{f.Expression} = {f.Ours}"));
    }

    /// <summary>Room for what newer libraries add: ours must not be the smaller one.</summary>
    [Fact]
    public void The_buffer_for_a_port_is_large_enough() => Assert.True(
        Compile(["sizeof(struct ibv_port_attr)"])[0] <= Unsafe.SizeOf<IbvPortAttr>());

    /// <summary>Constants that have the names of the headers.</summary>
    private static IEnumerable<(string Expression, long Ours)> NamedConstants() =>
        typeof(IbvConstants)
            .GetFields(System.Reflection.BindingFlags.NonPublic
                | System.Reflection.BindingFlags.Static)
            .Select(f => (f.Name, Convert.ToInt64(
                f.GetRawConstantValue(), System.Globalization.CultureInfo.InvariantCulture)));

    private static (string Expression, long Ours) Field<T>(string c, string field, string ours)
        where T : struct => ($"offsetof(struct {c}, {field})", Offset<T>(ours));

    private static long Offset<T>(string field)
        where T : struct => Marshal.OffsetOf<T>(field);

    /// <summary>What the C compiler makes of constant expressions.</summary>
    private static long[] Compile(IEnumerable<string> expressions)
    {
        string folder = TestFolder.Make();
        string source = Path.Combine(folder, "layout.c");
        string program = Path.Combine(folder, "layout");
        File.WriteAllText(source, $$"""
            #define _GNU_SOURCE
            #include <infiniband/verbs.h>
            #include <rdma/rdma_cma.h>
            #include <sys/epoll.h>
            #include <sys/mman.h>
            #include <sys/resource.h>
            #include <fcntl.h>
            #include <stddef.h>
            #include <stdio.h>
            long long facts[] = {
            {{string.Join(",\n", expressions.Select(e => $"(long long)({e})"))}}
            };
            int main(void)
            {
                for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
                    printf("%lld\n", facts[i]);
            }
            """);
        Run("gcc", "-o", program, source);
        string output = Run(program);
        Directory.Delete(folder, recursive: true);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(
            line => long.Parse(line, System.Globalization.CultureInfo.InvariantCulture))];
    }

    private static string Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {errors.Result}");
        return output;
    }
}
