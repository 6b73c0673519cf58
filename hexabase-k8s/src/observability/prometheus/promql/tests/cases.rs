//! Series of tenants, and their usage.

use hexabase_core::metrics::Metric;

use super::UsageCase;

pub(super) const MEMORY: &[UsageCase] = &[
    UsageCase {
        name: "restarted container whose predecessor the kubelet still reports",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/old\"}", "100x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/new\"}", "_x7 90x2"),
        ],
        usage: 100.0,
        plain: 190.0,
    },
    UsageCase {
        name: "the same after the predecessor is gone",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/old\"}", "100x8 stale"),
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/new\"}", "_x5 90x4"),
        ],
        usage: 90.0,
        plain: 90.0,
    },
    UsageCase {
        name: "container in a crash loop, with three predecessors",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/a\"}", "80x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/b\"}", "80x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/c\"}", "80x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/d\"}", "80x10"),
        ],
        usage: 80.0,
        plain: 320.0,
    },
    UsageCase {
        name: "pod that moved to another node under the same name",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,instance=\"one\",pod=\"db-0\",container=\"db\",id=\"/x\"}", "70x10"),
            ("$MEMORY{$K,instance=\"two\",pod=\"db-0\",container=\"db\",id=\"/y\"}", "60x10"),
        ],
        usage: 70.0,
        plain: 130.0,
    },
    UsageCase {
        name: "two Prometheus servers with different labels",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,prometheus_replica=\"a\",pod=\"web\",container=\"web\",id=\"/x\"}", "100x10"),
            ("$MEMORY{$K,prometheus_replica=\"b\",pod=\"web\",container=\"web\",id=\"/x\"}", "100x10"),
            ("$MEMORY{$K,prometheus_replica=\"a\",pod=\"web\",container=\"log\",id=\"/y\"}", "10x10"),
            ("$MEMORY{$K,prometheus_replica=\"b\",pod=\"web\",container=\"log\",id=\"/y\"}", "10x10"),
        ],
        usage: 110.0,
        plain: 220.0,
    },
    UsageCase {
        name: "second job, second instance and second endpoint of one kubelet",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,instance=\"10.0.0.1:10250\",pod=\"web\",container=\"web\",id=\"/x\"}", "100x10"),
            ("$MEMORY{$K,instance=\"one:10250\",pod=\"web\",container=\"web\",id=\"/x\"}", "100x10"),
            ("$MEMORY{namespace=\"$N\",job=\"cadvisor\",pod=\"web\",container=\"web\",id=\"/x\"}", "101x10"),
            (
                "$MEMORY{namespace=\"$N\",job=\"kubelet\",metrics_path=\"/metrics/resource\",pod=\"web\",container=\"web\"}",
                "99x10",
            ),
        ],
        usage: 100.0,
        plain: 400.0,
    },
    UsageCase {
        name: "runtime without image labels, and without a label of the path",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{namespace=\"$N\",job=\"kubelet\",pod=\"web\",container=\"web\",id=\"/x\"}", "100x10"),
            (
                "$MEMORY{namespace=\"$N\",job=\"kubelet\",pod=\"web\",container=\"log\",id=\"/y\",image=\"\"}",
                "10x10",
            ),
        ],
        usage: 110.0,
        plain: 110.0,
    },
    UsageCase {
        name: "sandbox and cgroup of the pod",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"web\",container=\"web\",id=\"/p/c\",image=\"shop\"}", "100x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"POD\",id=\"/p/s\",image=\"pause\"}", "1x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"\",id=\"/p/t\",image=\"pause\"}", "1x10"),
            ("$MEMORY{$K,pod=\"web\",container=\"\",id=\"/p\"}", "102x10"),
        ],
        usage: 100.0,
        plain: 100.0,
    },
    UsageCase {
        name: "control plane with its etcd, and pods whose names resemble them",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"$N-0\",container=\"syncer\"}", "1000x10"),
            ("$MEMORY{$K,pod=\"$N-etcd-2\",container=\"etcd\"}", "500x10"),
            ("$MEMORY{$K,pod=\"$N-etcd-0-x-shop-x-$N\",container=\"web\"}", "20x10"),
            ("$MEMORY{$K,pod=\"coredns-5d78c9869d-abcde-x-kube-system-x-$N\",container=\"coredns\"}", "3x10"),
        ],
        usage: 23.0,
        plain: 523.0,
    },
    UsageCase {
        name: "series that pods of other tenants invent",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"web\",container=\"web\"}", "100x10"),
            (
                "$MEMORY{namespace=\"$N\",job=\"kubernetes-pods\",exported_job=\"kubelet\",pod=\"web\",container=\"web\"}",
                "9999x10",
            ),
            (
                "$MEMORY{namespace=\"$N\",job=\"kubernetes-service-endpoints\",pod=\"x\",container=\"x\"}",
                "9999x10",
            ),
        ],
        usage: 100.0,
        plain: 20_098.0,
    },
    UsageCase {
        name: "negative series that a pod of the tenant invents",
        metric: Metric::Memory,
        series: &[
            ("$MEMORY{$K,pod=\"web\",container=\"web\"}", "100x10"),
            ("$MEMORY{namespace=\"$N\",job=\"kubernetes-pods\",pod=\"x\",container=\"x\"}", "-200x10"),
        ],
        usage: 100.0,
        plain: -100.0,
    },
];

pub(super) const CPU: &[UsageCase] = &[
    UsageCase {
        name: "restarted container: both runs used processor time",
        metric: Metric::Cpu,
        series: &[
            ("$CPU{$K,pod=\"web\",container=\"web\",id=\"/old\",cpu=\"total\"}", "0+30x5 150x4"),
            ("$CPU{$K,pod=\"web\",container=\"web\",id=\"/new\",cpu=\"total\"}", "0x5 0+30x4"),
        ],
        // 270 seconds in five minutes.
        usage: 0.9,
        plain: 0.9,
    },
    UsageCase {
        name: "counter that starts over, without a label of the run",
        metric: Metric::Cpu,
        series: &[("$CPU{$K,pod=\"web\",container=\"web\"}", "0+30x5 15 45 75 105 135")],
        // 150 seconds before the reset, and 135 after it.
        usage: 0.95,
        plain: 0.95,
    },
    UsageCase {
        name: "two Prometheus servers",
        metric: Metric::Cpu,
        series: &[
            ("$CPU{$K,prometheus=\"a\",pod=\"web\",container=\"web\",id=\"/x\",cpu=\"total\"}", "0+15x10"),
            ("$CPU{$K,prometheus=\"b\",pod=\"web\",container=\"web\",id=\"/x\",cpu=\"total\"}", "0+15x10"),
        ],
        usage: 0.5,
        plain: 1.0,
    },
    UsageCase {
        name: "per-processor series of one container",
        metric: Metric::Cpu,
        series: &[
            ("$CPU{$K,pod=\"web\",container=\"web\",id=\"/x\",cpu=\"cpu00\"}", "0+15x10"),
            ("$CPU{$K,pod=\"web\",container=\"web\",id=\"/x\",cpu=\"cpu01\"}", "0+15x10"),
        ],
        usage: 1.0,
        plain: 1.0,
    },
    UsageCase {
        name: "the same counter at the kubelet's resource endpoint, and invented ones",
        metric: Metric::Cpu,
        series: &[
            ("$CPU{$K,pod=\"web\",container=\"web\",id=\"/x\",cpu=\"total\"}", "0+15x10"),
            (
                "$CPU{namespace=\"$N\",job=\"kubelet\",metrics_path=\"/metrics/resource\",pod=\"web\",container=\"web\"}",
                "0+15x10",
            ),
            ("$CPU{namespace=\"$N\",job=\"kubernetes-pods\",pod=\"web\",container=\"web\"}", "0+30x10"),
            ("$CPU{$K,pod=\"$N-etcd-0\",container=\"etcd\"}", "0+30x10"),
        ],
        usage: 0.5,
        plain: 3.0,
    },
];

pub(super) const NETWORK: &[UsageCase] = &[
    UsageCase {
        name: "traffic in the sandbox, scraped twice",
        metric: Metric::NetworkReceive,
        series: &[
            (
                "$RECEIVED{$K,replica=\"a\",pod=\"web\",container=\"\",interface=\"eth0\",id=\"/s\"}",
                "0+300x10",
            ),
            (
                "$RECEIVED{$K,replica=\"b\",pod=\"web\",container=\"\",interface=\"eth0\",id=\"/s\"}",
                "0+300x10",
            ),
            ("$RECEIVED{$K,pod=\"web\",container=\"\",interface=\"lo\",id=\"/s\"}", "0+900x10"),
            ("$RECEIVED{$K,pod=\"$N-0\",container=\"\",interface=\"eth0\",id=\"/c\"}", "0+900x10"),
        ],
        usage: 10.0,
        plain: 20.0,
    },
    UsageCase {
        name: "traffic of a sandbox named POD, of an etcd, and invented traffic",
        metric: Metric::NetworkTransmit,
        series: &[
            ("$SENT{$K,pod=\"web\",container=\"POD\",interface=\"eth0\",id=\"/s\"}", "0+300x10"),
            ("$SENT{$K,pod=\"$N-etcd-1\",interface=\"eth0\",id=\"/e\"}", "0+300x10"),
            ("$SENT{namespace=\"$N\",job=\"kubernetes-pods\",pod=\"web\",interface=\"eth0\"}", "0+300x10"),
        ],
        usage: 10.0,
        plain: 30.0,
    },
];

pub(super) const STATE: &[UsageCase] = &[
    UsageCase {
        name: "two kube-state-metrics, a volume on two nodes, and volumes of the control plane",
        metric: Metric::Storage,
        series: &[
            ("$CLAIMS{$S,instance=\"a\",persistentvolumeclaim=\"shared\"}", "50x10"),
            ("$CLAIMS{$S,instance=\"b\",persistentvolumeclaim=\"shared\"}", "50x10"),
            (
                "kubelet_volume_stats_used_bytes{$K,instance=\"one\",persistentvolumeclaim=\"shared\"}",
                "40x10",
            ),
            (
                "kubelet_volume_stats_used_bytes{$K,instance=\"two\",persistentvolumeclaim=\"shared\"}",
                "40x10",
            ),
            ("$CLAIMS{$S,instance=\"a\",persistentvolumeclaim=\"data-$N-0\"}", "5x10"),
            ("$CLAIMS{$S,instance=\"a\",persistentvolumeclaim=\"data-$N-etcd-0\"}", "7x10"),
            ("$CLAIMS{namespace=\"$N\",job=\"kubernetes-pods\",persistentvolumeclaim=\"x\"}", "9x10"),
        ],
        usage: 50.0,
        plain: 116.0,
    },
    UsageCase {
        name: "pods of two kube-state-metrics",
        metric: Metric::Pods,
        series: &[
            ("$PHASE{$S,instance=\"a\",pod=\"web\",uid=\"1\",phase=\"Running\"}", "1x10"),
            ("$PHASE{$S,instance=\"b\",pod=\"web\",uid=\"1\",phase=\"Running\"}", "1x10"),
            ("$PHASE{$S,instance=\"a\",pod=\"job\",uid=\"2\",phase=\"Running\"}", "0x10"),
            ("$PHASE{$S,instance=\"a\",pod=\"job\",uid=\"2\",phase=\"Succeeded\"}", "1x10"),
            ("$PHASE{$S,instance=\"a\",pod=\"$N-0\",uid=\"3\",phase=\"Running\"}", "1x10"),
            ("$PHASE{$S,instance=\"a\",pod=\"$N-etcd-0\",uid=\"4\",phase=\"Running\"}", "1x10"),
        ],
        usage: 1.0,
        plain: 3.0,
    },
];

pub(super) const API_REQUESTS: &[UsageCase] = &[UsageCase {
    name: "requests to both replicas of a control plane, seen by two Prometheus servers",
    metric: Metric::ApiRequests,
    series: &[
        (
            "$REQUESTS{namespace=\"$N\",job=\"vcluster\",replica=\"a\",pod=\"$N-0\",verb=\"GET\",code=\"200\"}",
            "0+60x10",
        ),
        (
            "$REQUESTS{namespace=\"$N\",job=\"vcluster\",replica=\"b\",pod=\"$N-0\",verb=\"GET\",code=\"200\"}",
            "0+60x10",
        ),
        (
            "$REQUESTS{namespace=\"$N\",job=\"vcluster\",replica=\"a\",pod=\"$N-0\",verb=\"GET\",code=\"404\"}",
            "0+30x10",
        ),
        (
            "$REQUESTS{namespace=\"$N\",job=\"vcluster\",replica=\"a\",pod=\"$N-1\",verb=\"GET\",code=\"200\"}",
            "0+60x10",
        ),
        (
            "$REQUESTS{namespace=\"$N\",job=\"kubernetes-pods\",pod=\"web\",verb=\"GET\",code=\"200\"}",
            "0+900x10",
        ),
    ],
    usage: 5.0,
    plain: 37.0,
}];

pub(super) const CHARTS: &[UsageCase] = &[
    UsageCase {
        name: "volume that two nodes mount, and the control plane's",
        metric: Metric::StorageUsed,
        series: &[
            (
                "$USED{namespace=\"$N\",job=\"kubelet\",metrics_path=\"/metrics\",instance=\"one\",persistentvolumeclaim=\"data\"}",
                "30x10",
            ),
            (
                "$USED{namespace=\"$N\",job=\"kubelet\",metrics_path=\"/metrics\",instance=\"two\",persistentvolumeclaim=\"data\"}",
                "30x10",
            ),
            (
                "$USED{namespace=\"$N\",job=\"kubelet\",metrics_path=\"/metrics\",instance=\"one\",persistentvolumeclaim=\"data-$N-0\"}",
                "500x10",
            ),
        ],
        usage: 30.0,
        plain: 560.0,
    },
    UsageCase {
        name: "restarts, seen by two kube-state-metrics; the pod before had the same name",
        metric: Metric::Restarts,
        series: &[
            ("$RESTARTS{$S,instance=\"a\",pod=\"db-0\",uid=\"1\",container=\"db\"}", "3x3 5x3 stale"),
            ("$RESTARTS{$S,instance=\"b\",pod=\"db-0\",uid=\"1\",container=\"db\"}", "3x3 5x3 stale"),
            ("$RESTARTS{$S,instance=\"a\",pod=\"db-0\",uid=\"2\",container=\"db\"}", "_x7 0 1x1"),
            ("$RESTARTS{$S,instance=\"a\",pod=\"$N-0\",uid=\"3\",container=\"syncer\"}", "0+1x10"),
        ],
        usage: 3.0,
        plain: 15.786,
    },
    UsageCase {
        name: "throttled container beside one without a limit",
        metric: Metric::Throttling,
        series: &[
            ("$THROTTLED{$K,pod=\"web\",container=\"web\",id=\"/x\"}", "0+30x10"),
            ("$PERIODS{$K,pod=\"web\",container=\"web\",id=\"/x\"}", "0+300x10"),
            ("$THROTTLED{$K,pod=\"$N-0\",container=\"syncer\",id=\"/y\"}", "0+300x10"),
            ("$PERIODS{$K,pod=\"$N-0\",container=\"syncer\",id=\"/y\"}", "0+300x10"),
        ],
        usage: 0.1,
        plain: 11.0,
    },
];
