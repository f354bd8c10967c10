/** Chinese, simplified. */
import type { Messages } from './en.ts';
import { follow } from './follow/zh.ts';

const WARNINGS: Record<string, string> = {
  not_hu: '数值看起来不像亨氏单位（HU）：几乎没有空气。结果不可靠。',
  eight_bit: '该扫描以每体素 8 位存储，HU 值已丢失或仅为估计。结果的可靠性较低。',
  thick_slices: '层间距超过 5 mm。厚层会模糊小病灶和血管，更容易出现假阳性。',
  anisotropic_in_plane: '层面内的像素不是正方形。请确认扫描为轴位。',
  no_orientation: '文件未说明患者的体位，左右可能颠倒。',
  no_voxel_size: '文件未说明体素大小，按 1 mm 处理。长度和体积没有意义。',
  lungs_cut: '肺部未完全包含在扫描范围内。测量值仅适用于可见部分。',
  empty: '所有体素的值都相同：没有可显示的内容。',
};

export const zh: Messages = {
  page: {
    tagline: '在浏览器中识别胸部 CT 的感染',
    notice: '仅供科研和教学，不用于诊断。任何数据都不会离开这台电脑。',
    language: '语言',
    dropTitle: '将胸部 CT 拖放到此处',
    dropTitleTouch: '打开胸部 CT',
    dropHint: 'DICOM 文件夹或 .zip、NIfTI、NRRD、MetaImage，或单张轴位切片（PNG、JPEG）',
    open: '打开文件',
    openFolder: '打开文件夹',
    demo: '示例病例',
    demoHint: '示例是现场生成的胸部体模，其中病灶的位置是已知的。',
    truthHint: '将真实病灶的 NIfTI 掩膜与扫描一起拖入，或放在其文件夹中，即可与检出结果比较。',
    dropAnywhere: '松开即可打开',
    scanTitle: '扫描',
    panelTitle: '分析',
    optionsTitle: '方法',
    modelBoth: '两者',
    modelBothHint: 'NormNet 与 Inf-Net 并列',
    modelNormnet: 'NormNet',
    modelNormnetHint: '无需标注：认识健康组织，标出不认识的部分',
    modelInfnet: 'Inf-Net',
    modelInfnetHint: '由已标注的层面学习：磨玻璃影与实变',
    moreOptions: '更多选项',
    normnetWeights: 'NormNet',
    normnetBest: '最佳',
    normnetPaper: '与论文一致',
    infnetWeights: 'Inf-Net',
    infnetSemi: '半监督',
    infnetLabelled: '仅用已标注层面',
    precision: '权重',
    precisionInt8: '8 位（较小）',
    precisionF32: '32 位',
    deviceChoice: '设备',
    deviceAuto: '自动',
    deviceCpu: 'CPU',
    deviceGpu: 'GPU',
    analyse: '分析',
    cancel: '取消',
    seriesTitle: '选择哪个序列？',
    seriesOpen: '打开此序列',
    planes: '平面',
    planeAll: '全部平面',
    planeAxial: '轴位',
    planeCoronal: '冠状位',
    planeSagittal: '矢状位',
    windowLabel: '窗',
    windowLung: '肺窗',
    windowMediastinum: '纵隔窗',
    windowBone: '骨窗',
    windowOwn: '自定义',
    sliceLabel: '轴位层面',
    rulerLabel: '轴位层面，已标出病灶',
    zoom: '缩放',
    zoomIn: '放大',
    zoomOut: '缩小',
    reset: '重置视图',
    previousLesion: '上一个病灶',
    nextLesion: '下一个病灶',
    brushTitle: '人工修正',
    brushAdd: '涂绘感染',
    brushErase: '擦除感染',
    brushNetwork: '所属掩膜',
    brushSize: '画笔',
    brushHint: '在轴位图像上拖动。添加的部分只会在肺内。再按一次按钮即可停止。',
    undo: '撤销',
    layersTitle: '图层',
    show: '显示',
    showBoth: '两个网络',
    showNormnet: 'NormNet',
    showInfnet: 'Inf-Net',
    showDifference: '两者不同之处',
    showLungs: '仅肺部',
    showOwn: '按下方勾选',
    layerLungs: '肺（右、左）',
    layerNormnet: 'NormNet 病灶',
    layerGgo: 'Inf-Net 磨玻璃影',
    layerConsolidation: 'Inf-Net 实变',
    opacity: '不透明度',
    outlines: '轮廓',
    resultsTitle: '结果',
    saveTitle: '保存',
    detailsTitle: '详情',
    viewerLabel: '三个平面的扫描图像。上下方向键切换层面。按问号键查看所有按键。',
    pictureLabel: '病灶着色的层面',
    keysTitle: '键盘',
    keysHint: '除填写输入框时外，按键在整个页面有效。',
    keysOn: '使用这些按键',
    close: '关闭',
    checkTitle: '在这里能用吗？',
    checkText: '每个网络把演示病例的一部分计算两次：一次在分析会使用的设备上，一次在 CPU 上。两者结果必须一致。',
    checkRun: '开始测试',
    checkAdapter: '浏览器提供的 GPU 信息',
    leavesTitle: '任何数据都不会离开这台电脑',
    leavesText: '扫描在本浏览器中读取和分析。页面禁止自己连接任何其他网站，并统计仍被尝试的请求，无论来自页面本身、其后台线程还是浏览器扩展。',
    leavesOwn: '页面只从自己的网站加载程序和网络权重，不向那里发送任何数据。',
    leavesSeen: '目前发现',
  },
  steps: {
    engine: '正在启动引擎',
    open: '正在读取文件',
    weights: '正在加载权重',
    prepare: '正在定位肺部',
    tiles: '正在查找病灶',
    finish: '正在测量',
  },
  keys: {
    arrows: '在轴位层面内移动十字线',
    page: '上一层、下一层',
    pageShift: '向上十层、向下十层',
    ends: '第一层、最后一层',
    planes: '轴位、冠状位、矢状位、全部平面',
    windows: '窗：肺窗、纵隔窗、骨窗',
    overlay: '显示或隐藏病灶',
    opacity: '提高、降低不透明度',
    lesions: '下一个病灶、上一个病灶',
    zoom: '放大、缩小',
    reset: '重置视图',
    brush: '画笔：涂绘、擦除；再按一次关闭',
    dab: '在十字线处涂绘或擦除',
    undo: '撤销上一次修正',
    help: '本列表',
  },
  keyNames: { shift: 'Shift', pageUp: 'Page Up', pageDown: 'Page Down', home: 'Home', end: 'End' },
  title: 'Pleura',
  deviceWaiting: '正在查找 GPU…',
  deviceGpu: (name) => `GPU：${name}`,
  deviceGpuSoftware: (name) => `软件适配器上的 GPU 路径：${name}`,
  deviceCpu: (workers, reason) => `CPU${workers > 1 ? `，${workers} 个线程` : ''}：${reason}`,
  deviceFailed: '无法启动引擎',
  cpuReason: (reason) => {
    switch (reason.code) {
      case 'asked':
        return '按您的选择';
      case 'no-webgpu':
        return '此浏览器没有 WebGPU';
      case 'no-adapter':
        return '浏览器未提供 GPU';
      case 'software':
        return `${reason.name} 为软件实现，CPU 更快`;
      case 'no-timestamps':
        return `${reason.name} 不支持时间戳查询`;
      case 'failed':
        return `GPU 拒绝运行（${reason.name}）`;
      case 'gave-up':
        return 'GPU 已停止';
    }
  },
  makingDemo: '正在生成示例病例',
  finished: (seconds) => `用时 ${seconds}，已完成`,
  cancelled: '已取消。点击“分析”可重新开始。',
  fromCache: '来自本浏览器的缓存',
  megabytes: (done, total) => `${done} / ${total} MB`,
  timeLeft: (time) => `约剩 ${time}`,
  seconds: (n) => `${n} 秒`,
  minutes: (n) => `${n} 分钟`,
  tileWords: { model: '模型', slab: '区块', slice: '层面' },
  recovery: (recovery, kept) => {
    const tiles = kept > 0 ? `，保留已完成的 ${kept} 部分` : '';
    switch (recovery) {
      case 'again':
        return `引擎的一部分已停止，正用新的继续${tiles}。`;
      case 'smaller':
        return `引擎再次停止，正以较小的内存用量继续${tiles}。`;
      case 'fewer':
        return `引擎再次停止，正以较少的线程继续${tiles}。`;
      case 'cpu':
        return `引擎再次停止，正在 CPU 上继续${tiles}。`;
      case 'stop':
        return '引擎反复停止';
    }
  },
  recoveryCause: (cause) => `错误信息：${cause}`,
  stopAdvice: '此设备的内存可能不足以处理该扫描。关闭其他标签页，或只选一种方法，可能有帮助。',
  failed: (stage) => {
    switch (stage) {
      case 'engine':
        return '无法启动引擎';
      case 'demo':
        return '无法生成示例病例';
      case 'weights':
        return '无法加载权重';
      case 'open':
        return '无法分析此文件';
      case 'prepare':
        return '未能找到肺部';
      case 'finish':
        return '无法汇总结果';
    }
  },
  tooManyFiles: (most: string) => `文件超过 ${most} 个。请打开单次扫描的文件夹。`,
  seriesSlices: (slices: string, _n: number) => `${slices} 层`,
  millimetres: (mm: string) => `${mm} 毫米`,
  seriesUnnamed: '未命名序列',
  noViewer: '此浏览器无法显示各平面（缺少 WebGL 2）。分析及其文件不受影响。',
  viewerLost: '显卡中断了显示。分析及其文件不受影响：请重新打开扫描以查看。',
  cantShow: '此文件没有预览。',
  warning: (code, english) => WARNINGS[code] ?? english,
  right: '右',
  left: '左',
  both: '双侧',
  sliceOf: (slice, count) => `${slice} / ${count}`,
  sliceWithLesions: (slice, count, lesions) => `第 ${slice} 层，共 ${count} 层${lesions === 0 ? '' : `，${lesions} 个病灶`}`,
  hu: (value) => `${value} HU`,
  lungRight: '右肺',
  lungLeft: '左肺',
  networks: { normnet: 'NormNet', infnet: 'Inf-Net' },
  normnetLesion: 'NormNet 病灶',
  infection: 'Inf-Net 感染',
  ggo: '磨玻璃影',
  consolidation: '实变',
  headline: (network) => `的肺被 ${network} 标出`,
  volume: '肺容积',
  agreement: (dice) => `两个网络的一致性：Dice ${dice}`,
  truthTitle: (file) => `与 ${file} 比较`,
  truthColumns: { dice: 'Dice', sensitivity: '灵敏度', precision: '精确率' },
  truthOtherGrid: (file) => `${file} 与扫描的网格不一致，因此不作比较。`,
  thirdsTitle: '按高度',
  thirds: { upper: '上三分之一', middle: '中三分之一', lower: '下三分之一' },
  lesionsTitle: (network, n) => (n === 0 ? `${network}：病灶` : `${network}：病灶（${n}）`),
  noLesions: '没有 0.1 ml 或更大的病灶。',
  smaller: (n, ml) => `另有 ${n} 个较小的，共 ${ml} ml`,
  lesionColumns: { number: '编号', side: '肺', slices: '层面', hu: '平均 HU', ml: 'ml' },
  goTo: (network, n) => `转到 ${network} 的病灶 ${n}`,
  moreLesions: (n) => `再显示 ${n} 个`,
  histogramTitle: (network) => `按 ${network} 划分的肺部 HU（平方根刻度）`,
  healthy: '健康肺',
  marked: '感染',
  asTable: '以表格显示',
  mostAt: (name, hu) => `${name}多在 ${hu} 附近`,
  noVoxels: (name) => `${name}：无`,
  from: (first, last) => `${first} 至 ${last}`,
  ml: (value) => `${value} ml`,
  percent: (value) => `${value} %`,
  saveReport: '报告（JSON）',
  saveLesions: '病灶（CSV）',
  print: '打印',
  saveLungs: '肺',
  saveNormnet: 'NormNet 病灶',
  saveInfnet: 'Inf-Net 病灶',
  saveProbability: 'Inf-Net 概率',
  saveClasses: '病灶分类',
  share: '占图像比例',
  pixelCount: '像素',
  infected: '由 Inf-Net 标出',
  dims: (dims, spacing) => `${dims} 体素，${spacing} mm`,
  pixels: (dims) => `${dims} 像素`,
  thinned: '以较低分辨率显示',
  checkPreparing: '正在生成演示病例并加载权重…',
  checkComputing: (network: string, onCpu: boolean) => `${network} 正在${onCpu ? ' CPU ' : '设备'}上计算…`,
  checkAllowed: (largest: string, percent: string) => `概率（0 到 1）允许相差 ${largest}；类别允许在 ${percent} % 的像素上不同。`,
  checkPassed: '可以使用：设备与 CPU 的结果一致。',
  checkFailed: '不能使用：设备与 CPU 的结果不一致。请在“更多选项”中选择 CPU。',
  checkBroken: (cause: string) => `测试未能完成。${cause}`,
  checkNoAdapter: '浏览器没有提供 GPU。',
  checkColumns: {
    network: '网络',
    difference: '最大差异',
    classes: '类别不同',
    device: '设备',
    cpu: 'CPU',
    verdict: '结果',
  },
  passed: '通过',
  notPassed: '未通过',
  correcting: '正在重新测量',
  corrected: '结果已修正',
  notCorrected: '无法修正结果',
  edited: (n: number) => `已人工编辑：移除了 ${n} 个病灶。`,
  painted: (n, added, removed) =>
    `已人工涂绘：${n} 笔，添加 ${added} 个体素，移除 ${removed} 个。`,
  removeLesion: (network: string, n: number) => `移除 ${network} 的病灶 ${n}`,
  leaves: (n) => `${n} 个发往其他网站的请求`,
  leavesBlocked: '已阻止',
  leavesSent: '已发送',
  follow,
};
