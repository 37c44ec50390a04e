namespace StorageOs.Transport.Verbs.Interop;

/// <summary>Values of infiniband/verbs.h by their own names.</summary>
internal static class IbvConstants
{
    internal const uint IBV_WC_SUCCESS = 0;
    internal const uint IBV_WC_WR_FLUSH_ERR = 5;
    internal const uint IBV_WC_REM_INV_REQ_ERR = 9;
    internal const uint IBV_WC_REM_ACCESS_ERR = 10;
    internal const uint IBV_WC_REM_OP_ERR = 11;
    internal const uint IBV_WC_RETRY_EXC_ERR = 12;
    internal const uint IBV_WC_RNR_RETRY_EXC_ERR = 13;

    internal const uint IBV_WR_RDMA_WRITE = 0;
    internal const uint IBV_WR_RDMA_READ = 4;

    internal const uint IBV_SEND_SIGNALED = 1 << 1;
    internal const uint IBV_SEND_INLINE = 1 << 3;

    internal const uint IBV_ACCESS_LOCAL_WRITE = 1;
    internal const uint IBV_ACCESS_REMOTE_WRITE = 1 << 1;
    internal const uint IBV_ACCESS_REMOTE_READ = 1 << 2;

    internal const uint IBV_QPT_RC = 2;

    internal const uint IBV_QPS_INIT = 1;
    internal const uint IBV_QPS_RTR = 2;
    internal const uint IBV_QPS_RTS = 3;
    internal const uint IBV_QPS_ERR = 6;

    internal const int IBV_QP_STATE = 1 << 0;
    internal const int IBV_QP_ACCESS_FLAGS = 1 << 3;
    internal const int IBV_QP_PKEY_INDEX = 1 << 4;
    internal const int IBV_QP_PORT = 1 << 5;
    internal const int IBV_QP_AV = 1 << 7;
    internal const int IBV_QP_PATH_MTU = 1 << 8;
    internal const int IBV_QP_TIMEOUT = 1 << 9;
    internal const int IBV_QP_RETRY_CNT = 1 << 10;
    internal const int IBV_QP_RNR_RETRY = 1 << 11;
    internal const int IBV_QP_RQ_PSN = 1 << 12;
    internal const int IBV_QP_MAX_QP_RD_ATOMIC = 1 << 13;
    internal const int IBV_QP_MIN_RNR_TIMER = 1 << 15;
    internal const int IBV_QP_SQ_PSN = 1 << 16;
    internal const int IBV_QP_MAX_DEST_RD_ATOMIC = 1 << 17;
    internal const int IBV_QP_DEST_QPN = 1 << 20;

    internal const uint IBV_PORT_ACTIVE = 4;
    internal const byte IBV_LINK_LAYER_ETHERNET = 2;
    internal const uint IBV_GID_TYPE_ROCE_V2 = 2;

    internal const uint IBV_EVENT_QP_FATAL = 1;
    internal const uint IBV_EVENT_QP_REQ_ERR = 2;
    internal const uint IBV_EVENT_QP_ACCESS_ERR = 3;
    internal const uint IBV_EVENT_DEVICE_FATAL = 8;
    internal const uint IBV_EVENT_PORT_ACTIVE = 9;
    internal const uint IBV_EVENT_PORT_ERR = 10;
}
